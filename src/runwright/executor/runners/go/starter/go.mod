module runwright/starter

go 1.23
