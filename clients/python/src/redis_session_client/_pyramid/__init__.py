"""What `redis_session_client.pyramid` is made of."""
