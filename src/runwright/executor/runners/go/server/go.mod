module openruntimes/server

go 1.23
