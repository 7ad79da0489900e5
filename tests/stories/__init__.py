"""Stories: what the rules mean to the people in the market. One file per theme."""
