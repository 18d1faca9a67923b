"""What is: one pyinfra fact per question, each one command for the whole host."""
