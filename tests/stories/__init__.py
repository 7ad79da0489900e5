"""Stories: what the rules of RULES.md mean to the people in the market. One file per theme."""
