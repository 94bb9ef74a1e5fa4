'use strict';
// The frame socket in Node. Writing goes past the stream, whose own queue could not be emptied from
// within a busy loop. Reading goes past it, too: `node:net` and the streams below it take a third of
// a start, and a function may have no use for them.

const { writeSync } = require('node:fs'); // user code may replace it there

const FD = 3;

const leave = process.reallyExit.bind(process);

function write(buffer, from, to) {
  try {
    return writeSync(FD, buffer, from, to - from);
  } catch (error) {
    if (error.code === 'EAGAIN' || error.code === 'EINTR') return 0;
    leave(0); // the host is gone
  }
  return 0;
}

function read(size, take) {
  const buffer = Buffer.allocUnsafeSlow(size);
  const callback = (taken) => {
    // Without its host a runner has no purpose.
    if (taken < 0) leave(0);
    if (taken > 0) take(buffer, taken);
  };
  if (!readHandle(buffer, callback)) readSocket(buffer, callback);
}

// What `net.Socket` does in all versions of Node so far; false where that has changed.
function readHandle(buffer, callback) {
  let handle;
  try {
    const { Pipe, constants } = process.binding('pipe_wrap');
    const { streamBaseState: state, kReadBytesOrError: at } = process.binding('stream_wrap');
    if (!(at in state)) return false;
    handle = new Pipe(constants.SOCKET);
    if (typeof handle.useUserBuffer !== 'function' || handle.open(FD) !== 0) return false;
    handle.useUserBuffer(buffer);
    handle.onread = () => callback(state[at]);
    handle.readStart();
    return true;
  } catch {
    return false;
  }
}

function readSocket(buffer, callback) {
  const { Socket } = require('node:net');
  const gone = () => callback(-1);
  const onread = {
    buffer,
    callback(taken) {
      callback(taken);
      return true;
    },
  };
  const socket = new Socket({ fd: FD, readable: true, writable: false, onread });
  socket.on('error', gone);
  socket.on('end', gone);
  socket.on('close', gone);
  // With `onread` the stream starts to read only when asked.
  socket.resume();
}

module.exports = { read, write, leave };
