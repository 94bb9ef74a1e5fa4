# frozen_string_literal: true

module Runwright
  NOTICE = "Native logs detected. Use context.log() or context.error() for better experience.\n"

  # What user code sees of a call.
  class Context
    attr_reader :req, :res

    def initialize(call)
      @call = call
      @req = Request.new(call.head, call.body)
      @res = Response.new(call)
    end

    def log(*values)
      @call.entry(false, values)
    end

    def error(*values)
      @call.entry(true, values)
    end
  end

  # One request from its arrival to its last frame.
  class Call
    attr_reader :id, :head, :body

    def initialize(wire, runner, id, is_logging, head, body)
      @wire = wire
      @runner = runner
      @id = id
      @is_logging = is_logging
      @head = head
      @body = body
      @lock = Monitor.new # the function's threads, and the one that takes frames
      @opened = @lock.new_cond
      @credit = WINDOW_BYTES
      @line = +'' # native output that lacks its newline
      @micros = 0
    end

    def begun?
      @is_begun
    end

    def begin!
      @is_begun = true
    end

    # Runs what answers it, and measures that.
    def measure
      began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      yield
    ensure
      passed = Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
      @micros = [(passed * 1_000_000).round, 0xffffffff].min
    end

    # Logs

    def entry(is_error, values)
      return unless @is_logging

      text = Text.entry(values)
      @lock.synchronize do
        end_line
        emit(is_error, text)
      end
    end

    def print(text)
      return if !@is_logging || text.empty?

      @lock.synchronize do
        notice
        lines = (@line + Text.readable(text)).split("\n", -1)
        # A line without end is kept no further than its cut.
        @line = lines.pop[0, MAX_ENTRY + 1]
        lines.each { |line| emit(false, "#{Text.cut(line)}\n") }
      end
    end

    def end_line
      @lock.synchronize do
        next if @line.empty?

        line = @line
        @line = +''
        emit(false, "#{Text.cut(line)}\n")
      end
    end

    # The end

    def succeed(value)
      return finish_stream(OK) if @is_streaming

      begin
        status, head, body = Head.build(value)
      rescue StandardError => e
        entry(true, [e.message])
        return answer(PAYLOAD, 500, HEAD_DEFAULT, '')
      end
      answer(OK, status, head, body)
    end

    def fail(message)
      entry(true, [message])
      return finish_stream(EXCEPTION) if @is_streaming

      answer(EXCEPTION, 500, HEAD_DEFAULT, '')
    end

    def fail_to_load(message)
      entry(true, [message])
      answer(ENTRYPOINT, 503, HEAD_DEFAULT, '')
    end

    # Streams

    def stream_start(status_code, headers)
      status = Head.status_of(status_code)
      head = Head.head_of(headers)
      @lock.synchronize do
        if @is_streaming || @is_ended
          raise 'context.res.start() was called twice, or after the function had ended.'
        end

        @is_streaming = true
        @is_bodiless = Head.bodiless?(status)
        @wire.response(@id, 0, OK, status, 0, head, '') unless @is_cancelled
      end
    end

    def stream_write(bytes)
      stream_start(200, {}) unless @is_streaming
      raise 'context.res.write() was called after the response had ended.' if @is_stream_ended || @is_ended

      send_parts(bytes.b) unless @is_bodiless
    end

    def stream_end
      @is_stream_ended = true
    end

    def open(more)
      @lock.synchronize do
        @credit += more
        @opened.broadcast
      end
    end

    def cancel
      @lock.synchronize do
        @is_cancelled = true
        @opened.broadcast
      end
    end

    private

    def notice
      return if @is_noticed

      @is_noticed = true
      emit(false, NOTICE)
    end

    def emit(is_error, text)
      if @is_ended || @is_cancelled
        STDERR.write(text) # it belongs to no request any more
      else
        @wire.log(@id, is_error, text)
      end
    end

    # No output after this belongs to the request.
    def close
      @lock.synchronize do
        end_line
        @is_ended = true
      end
    end

    def answer(result, status, head, body)
      close
      if @is_cancelled
        @runner.forget(self)
      elsif body.bytesize <= PART_BYTES
        @runner.forget(self)
        @wire.response(@id, FLAG_END, result, status, @micros, head, body)
      else
        @wire.response(@id, 0, result, status, @micros, head, '')
        send_parts(body.b)
        last(result)
      end
    end

    def finish_stream(result)
      close
      last(result)
    end

    def last(result)
      @runner.forget(self)
      @wire.finish(@id, result, @micros) unless @is_cancelled
    end

    def send_parts(bytes)
      at = 0
      while at < bytes.bytesize
        size = take([bytes.bytesize - at, PART_BYTES].min)
        return if size.zero?

        @wire.send_frame(CHUNK, @id, bytes.byteslice(at, size))
        at += size
      end
    end

    # Waits for room in the window and takes some; none when nobody waits any more.
    def take(most)
      @lock.synchronize do
        @opened.wait_while { @credit.zero? && !@is_cancelled }
        return 0 if @is_cancelled

        size = [most, @credit].min
        @credit -= size
        size
      end
    end
  end
end
