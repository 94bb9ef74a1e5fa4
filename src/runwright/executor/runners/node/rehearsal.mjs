// An ES module, so that the loader of these is rehearsed, too.
export default null;
