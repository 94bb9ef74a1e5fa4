# frozen_string_literal: true

module Runwright
  SERVER_FOLDER = '/usr/local/server'
  NO_CALLABLE = "Function signature invalid. Did you forget to export a 'main' function?"

  # From an entrypoint to the function that answers requests.
  class Loader
    def initialize(root, entrypoint, env)
      @root = root
      @entrypoint = entrypoint.empty? ? 'index.rb' : entrypoint
      env.each { |name, value| ENV[name] = value }
      Dir.chdir(Dir.exist?(SERVER_FOLDER) ? SERVER_FOLDER : root)
    end

    # Loads in a thread of its own, for which calls wait: frames are taken meanwhile.
    def start
      @loading = Thread.new { load_once }
    end

    def call(call)
      @loading.join
      Native.hand_over(call)
      return call.fail_to_load(@failure) if @failure

      value = nil
      failure = nil
      call.measure do
        value = TOPLEVEL_BINDING.receiver.send(:main, Context.new(call))
      rescue SystemExit => e
        leave(call, e.status)
      rescue Exception => e # whatever it is, it is this call's alone
        failure = describe(e)
      end
      failure ? call.fail(failure) : call.succeed(value)
    end

    private

    def load_once
      file = File.join(@root, @entrypoint)
      unless File.file?(file)
        @failure = "Failed to load entrypoint, file #{@entrypoint} does not exist."
        return
      end
      find_gems
      load(file)
      @failure = NO_CALLABLE unless TOPLEVEL_BINDING.receiver.respond_to?(:main, true)
    rescue SyntaxError => e
      @failure = "Syntax error in #{e.message.delete_prefix("#{@root}/")}"
    rescue LoadError => e
      @failure = "Failed to load file: #{e.message}"
    rescue SystemExit => e
      Process.exit!(e.status)
    rescue Exception => e # every call is told
      @failure = "Failed to load module: #{describe(e)}"
    end

    # What `bundle install` put into the deployment, without Bundler.
    def find_gems
      Dir[File.join(@root, 'vendor/bundle/ruby/*/gems/*/lib')].sort.each do |folder|
        $LOAD_PATH.unshift(folder)
      end
    end

    # `exit` in a thread would end the thread alone.
    def leave(call, code)
      call.end_line
      Process.exit!(code)
    end

    # Message and backtrace of an error and of what caused it, without the runner's own frames.
    def describe(error)
      texts = []
      while error && texts.size < 8
        trace = (error.backtrace || []).reject { |line| line.include?(__dir__) }
        place = trace.empty? ? '' : "#{trace.first}: "
        texts << ["#{place}#{error.message} (#{error.class})", *trace.drop(1)].join("\n\tfrom ")
        error = error.cause
      end
      texts.join("\nCaused by: ")
    end
  end
end
