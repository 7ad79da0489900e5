"""The order entry port without sockets: bytes in, commands to the exchange, answers and private
events out, to whom they belong.
"""
