"""Letters: e-mails and text messages on their way to people."""
