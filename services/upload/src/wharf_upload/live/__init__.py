"""The live channel: sends events to clients over Socket.IO and SSE (docs/live.md)."""
