"""What can be run: functions, their variables, deployments, templates and domains."""
