# frozen_string_literal: true

# The frame socket. Layout and meaning of the frames: runwright/executor/wire.py. Writing waits for
# the host, which slows a flood of output down to the speed of its reader.
module Runwright
  HEADER_BYTES = 9
  MAX_FRAME_BYTES = 4 * 1024 * 1024
  PART_BYTES = 256 * 1024
  WINDOW_BYTES = 1024 * 1024
  MAX_REQUEST_BYTES = 20 * 1024 * 1024
  FLAG_END = 1
  FLAG_LOGGING = 2
  EXIT_PROTOCOL = 70

  LOAD = 1
  REQUEST = 2
  BODY = 3
  CANCEL = 4
  WINDOW = 5
  PING = 6
  GONE = 7
  HELLO = 16
  LOG = 17
  RESPONSE = 18
  CHUNK = 19
  FINISH = 20
  PONG = 21

  OK = 0
  EXCEPTION = 1
  ENTRYPOINT = 2
  PAYLOAD = 3

  # Reads and writes frames; several threads may write.
  class Wire
    def initialize
      @socket = IO.for_fd(3, 'r+b', autoclose: false)
      @socket.sync = true
      @socket.close_on_exec = true
      @lock = Mutex.new
    end

    def receive
      length, kind, id = read(HEADER_BYTES).unpack('VCV')
      broken('frame length out of bounds') if length < 5 || length > MAX_FRAME_BYTES
      [kind, id, length == 5 ? ''.b : read(length - 5)]
    end

    def send_frame(kind, id, payload)
      data = [payload.bytesize + 5, kind, id].pack('VCV') << payload.b
      @lock.synchronize { @socket.write(data) }
    rescue SystemCallError, IOError
      Process.exit!(0) # the host is gone
    end

    def log(id, is_error, text)
      send_frame(LOG, id, (is_error ? "\x01" : "\x00").b << text.b)
    end

    def response(id, flags, result, status, micros, head, body)
      fixed = [flags, result, status, micros, head.bytesize].pack('CCvVV')
      send_frame(RESPONSE, id, fixed << head.b << body.b)
    end

    def finish(id, result, micros)
      send_frame(FINISH, id, [result, micros].pack('CV'))
    end

    def broken(reason)
      STDERR.write("runner: the host broke the frame rules: #{reason}\n")
      Process.exit!(EXIT_PROTOCOL)
    end

    private

    # Without its host a runner has no purpose.
    def read(size)
      data = @socket.read(size)
      Process.exit!(0) if data.nil? || data.bytesize < size
      data
    rescue SystemCallError, IOError
      Process.exit!(0)
    end
  end
end
