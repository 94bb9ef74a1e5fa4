"""A function for functions-framework."""


def hello(request):
    return {"message": "Hello World"}
