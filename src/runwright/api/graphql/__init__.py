"""The same operations by GraphQL.

The schema is made from the table of routes and the models; a field runs its operation through
every check that a request of its own would meet. Nothing here is imported before the first query:
the library and the schema take half a second that a server without GraphQL need not spend.
"""
