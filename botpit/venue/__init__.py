"""The exchange as a service: sessions and feed as plain values, and the files that bind them to sockets.

Reading order: gateway, feed, then server (turns and ports), loader (finds or recovers the market),
lifecycle (begins, ends and reopens it).
"""
