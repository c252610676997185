"""HTTP and queue out."""
