'use strict';
// The frame socket in Deno, which knows no descriptors but by its own resources: the C library's
// `recv` waits in a thread, its `send` can refuse to wait.

const FD = 3;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const EAGAIN = 11;
const EINTR = 4;

const { symbols } = Deno.dlopen('libc.so.6', {
  send: { parameters: ['i32', 'buffer', 'usize', 'i32'], result: 'isize' },
  recv: { parameters: ['i32', 'buffer', 'usize', 'i32'], result: 'isize', nonblocking: true },
  fcntl: { parameters: ['i32', 'i32', 'i32'], result: 'i32' },
  __errno_location: { parameters: [], result: 'pointer' },
});
symbols.fcntl(FD, F_SETFD, FD_CLOEXEC); // child processes have no business with it
const { UnsafePointerView } = Deno;
const leave = process.reallyExit.bind(process);

function write(buffer, from, to) {
  const size = BigInt(to - from);
  const sent = Number(symbols.send(FD, buffer.subarray(from, to), size, MSG_DONTWAIT | MSG_NOSIGNAL));
  if (sent >= 0) return sent;
  const code = new UnsafePointerView(symbols.__errno_location()).getInt32();
  if (code !== EAGAIN && code !== EINTR) leave(0); // the host is gone
  return 0;
}

async function read(size, take) {
  const buffer = Buffer.allocUnsafeSlow(size);
  for (;;) {
    const taken = Number(await symbols.recv(FD, buffer, BigInt(size), 0));
    // Without its host a runner has no purpose. The thread's errno is out of reach; what
    // interrupts a read is restarted by the kernel.
    if (taken <= 0) leave(0);
    take(buffer, taken);
  }
}

module.exports = { read, write, leave };
