"""The border: the only room that knows both forms of the market.

Inside, integers: price in ticks, quantity in lots, money in account units, time in nanoseconds.
Outside, what people write: 100.05, 5, 10000.0, milliseconds. `numbers` converts between them,
`decode` turns bytes from a client into requests and commands, `encode` turns events into bytes.
"""
