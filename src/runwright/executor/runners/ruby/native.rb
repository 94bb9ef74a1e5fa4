# frozen_string_literal: true

require 'monitor'

module Runwright
  # What user code prints, bound to the call whose thread, or a thread of which, printed it.
  module Native
    KEY = :runwright_call
    MAX_EARLY_BYTES = 1024 * 1024

    # Stands for $stdout and $stderr. STDOUT and STDERR stay what they are: the process's own.
    class Stream < IO
      def write(*texts)
        text = texts.join
        Native.print(text)
        text.bytesize
      end

      def <<(text)
        write(text)
        self
      end

      def print(*values)
        write(*values)
        nil
      end

      def puts(*values)
        write("\n") if values.empty?
        values.flatten.each do |value|
          text = value.to_s
          write(text.end_with?("\n") ? text : "#{text}\n")
        end
        nil
      end

      def printf(format, *values)
        write(format(format, *values))
        nil
      end

      def putc(value)
        write(value.is_a?(Integer) ? value.chr : value.to_s[0])
        value
      end

      alias syswrite write

      def write_nonblock(text, **)
        write(text)
      end

      def flush
        self
      end

      def sync
        true
      end
    end

    # Threads belong to the call that started them.
    module Inheriting
      def new(*arguments, &block)
        call = Thread.current.thread_variable_get(KEY)
        super(*arguments) do |*given|
          Thread.current.thread_variable_set(KEY, call)
          block.call(*given)
        end
      end

      alias start new
      alias fork new
    end

    # `exit!` runs nothing at the end, so the line that lacks its newline goes before. The runner's
    # own ends are by Process.exit!, which stays as it is.
    module LastWords
      def exit!(*arguments)
        Thread.current.thread_variable_get(KEY)&.end_line
        Process.exit!(*arguments)
      end
    end

    @early = +''
    @is_early = true
    @lock = Mutex.new

    module_function

    def capture
      $stdout = Stream.for_fd(1, 'w', autoclose: false)
      $stderr = Stream.for_fd(2, 'w', autoclose: false)
      Thread.singleton_class.prepend(Inheriting)
      Object.include(LastWords)
    end

    # A thread that runs `block` for a call.
    def thread(call, &block)
      Thread.new do
        Thread.current.thread_variable_set(KEY, call)
        Thread.current.report_on_exception = false
        block.call
      end
    end

    def print(text)
      call = Thread.current.thread_variable_get(KEY)
      if call
        call.print(text)
      elsif @is_early
        @early << text if @early.bytesize < MAX_EARLY_BYTES
      else
        STDERR.write(text)
      end
    end

    # What was printed while the code was loaded, for the first call.
    def hand_over(call)
      text = @lock.synchronize do
        next '' unless @is_early

        @is_early = false
        @early
      end
      call.print(text)
    end
  end
end
