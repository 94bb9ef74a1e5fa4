export default {
  fetch() {
    return Response.json({ message: 'Hello World' });
  },
};
