'use strict';
// The frame socket in Bun, whose streams cannot be made of a descriptor: a thread waits in `read`,
// and `send` is the C library's, which can refuse to wait.

const fs = require('node:fs');
const { dlopen, FFIType, read: peek } = require('bun:ffi');

const FD = 3;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EAGAIN = 11;
const EINTR = 4;

const { symbols } = dlopen('libc.so.6', {
  send: { args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i64_fast },
  __errno_location: { args: [], returns: FFIType.ptr },
});
const { read: readDescriptor } = fs;
const leave = process.reallyExit.bind(process);

function write(buffer, from, to) {
  const sent = Number(symbols.send(FD, buffer.subarray(from, to), to - from, MSG_DONTWAIT | MSG_NOSIGNAL));
  if (sent >= 0) return sent;
  const code = peek.i32(symbols.__errno_location());
  if (code !== EAGAIN && code !== EINTR) leave(0); // the host is gone
  return 0;
}

function read(size, take) {
  const buffer = Buffer.allocUnsafeSlow(size);
  const next = () =>
    readDescriptor(FD, buffer, 0, size, null, (error, taken) => {
      // Without its host a runner has no purpose.
      if (error !== null || taken === 0) leave(0);
      take(buffer, taken);
      next();
    });
  next();
}

module.exports = { read, write, leave };
