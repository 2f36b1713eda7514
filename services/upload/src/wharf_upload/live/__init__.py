"""The live channel: tells clients what happens, by Socket.IO and by SSE (docs/live.md)."""
