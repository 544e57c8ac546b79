"""What faults of servers cost a press: real sockets, real adapters, the real router."""
