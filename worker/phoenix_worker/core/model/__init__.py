"""What is known of a container, whose words the whole core speaks."""
