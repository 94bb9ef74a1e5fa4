# frozen_string_literal: true

# Serves the requests of one deployment, inside its sandbox, over the frame socket on descriptor 3.

require 'json'
require_relative 'wire'
require_relative 'text'
require_relative 'request'
require_relative 'response'
require_relative 'call'
require_relative 'native'
require_relative 'loader'

module Runwright
  # Takes frames on the main thread; every call has a thread of its own.
  class Runner
    def initialize(wire)
      @wire = wire
      @calls = {} # by request id, until their last frame
      @lock = Mutex.new
      @loader = nil
    end

    def serve
      Native.capture
      # An exit of the process flushes what its calls have printed; their answers are not known.
      at_exit { @calls.each_value(&:end_line) }
      @wire.send_frame(HELLO, 0, JSON.generate('version' => RUBY_VERSION))
      loop { take(*@wire.receive) }
    end

    # The id of a call is free again after its last frame.
    def forget(call)
      @lock.synchronize { @calls.delete(call.id) }
    end

    private

    def take(kind, id, payload)
      case kind
      when REQUEST then request(id, payload)
      when BODY then body(id, payload)
      when PING then @wire.send_frame(PONG, id, '')
      when WINDOW then window(id, payload)
      when CANCEL then cancel(id)
      when LOAD then load(payload)
      when GONE then nil # user code is not told
      else @wire.broken("unknown frame #{kind}")
      end
    end

    def load(payload)
      @wire.broken('a second LOAD') if @loader
      begin
        assigned = JSON.parse(payload)
        @loader = Loader.new(assigned.fetch('root'), assigned['entrypoint'].to_s, assigned['env'] || {})
      rescue JSON::ParserError, KeyError
        @wire.broken('malformed LOAD')
      end
      @loader.start
    end

    def request(id, payload)
      @wire.broken('malformed REQUEST') if payload.bytesize < 5
      flags, size = payload.unpack('CV')
      @wire.broken('malformed REQUEST') if 5 + size > payload.bytesize || @calls.key?(id)
      head = payload.byteslice(5, size)
      rest = payload.byteslice(5 + size, payload.bytesize)
      call = Call.new(@wire, self, id, (flags & FLAG_LOGGING) != 0, head, rest)
      @lock.synchronize { @calls[id] = call }
      start(call) if (flags & FLAG_END) != 0
    end

    def body(id, payload)
      @wire.broken('malformed BODY') if payload.empty?
      call = @calls[id]
      return if call.nil? # it was cancelled while its body was on the way

      @wire.broken('BODY after the end of its request') if call.begun?
      call.body << payload.byteslice(1, payload.bytesize)
      @wire.broken('request body too large') if call.body.bytesize > MAX_REQUEST_BYTES
      start(call) if (payload.getbyte(0) & FLAG_END) != 0
    end

    def window(id, payload)
      @wire.broken('malformed WINDOW') if payload.bytesize != 4
      @calls[id]&.open(payload.unpack1('V'))
    end

    def cancel(id)
      call = @calls[id]
      return if call.nil?

      call.cancel
      forget(call) unless call.begun? # it never will
    end

    def start(call)
      call.begin!
      Native.thread(call) { @loader.call(call) }
    end
  end
end

Runwright::Runner.new(Runwright::Wire.new).serve
