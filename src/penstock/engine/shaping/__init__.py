"""What happens to a stream's rows and names between its source and its destination."""
