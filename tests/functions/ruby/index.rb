# frozen_string_literal: true

# One action per row of the runtime checklist, chosen by the header x-action.

require 'digest'
require 'json'

puts 'module loaded'

COUNT = { counter: 0 }
LOCK = Mutex.new
ARRIVALS = []
HELD = []
LATE = []

def all_at_once(queues)
  queues.each { |queue| queue << true }
  queues.clear
end

ACTIONS = {
  'text' => ->(c) { c.res.text('Hello World 👋') },
  'json' => ->(c) { c.res.json({ 'json' => true, 'message' => 'Developers are awesome. ü' }) },
  'echoJson' => ->(c) { c.res.json(c.req.body_json) },
  'type' => ->(c) { c.res.text('typed', 200, { 'Content-Type' => c.req.headers['x-type'] }) },
  'redirect' => ->(c) { c.res.redirect('https://github.com/') },
  'redirectWith' => ->(c) { c.res.redirect('/next', 307, { 'x-why' => 'moved' }) },
  'empty' => ->(c) { c.res.empty },
  'noReturn' => lambda { |c|
    c.res.text('This should be ignored, as it is not returned.')
    nil
  },
  'doubleResponse' => lambda { |c|
    c.res.text('This should be ignored.')
    c.res.text('This should be returned.')
  },
  'headers' => lambda { |c|
    c.res.text('OK', 200, {
                 'x-first' => 'first-value',
                 'X-Second' => c.req.headers['x-open-runtimes-custom-in-header'] || 'missing',
                 'x-cookie' => c.req.headers['cookie'] || 'missing',
                 'x-open-runtimes-custom-out-header' => 'third-value'
               })
  },
  'status' => ->(c) { c.res.text('FAIL', (c.req.headers['x-status'] || '404').to_i) },
  'rawStatus' => ->(c) { { 'body' => 'x', 'statusCode' => JSON.parse(c.req.body_text) } },
  'request' => lambda { |c|
    c.res.json({
                 'method' => c.req.method, 'url' => c.req.url, 'scheme' => c.req.scheme,
                 'host' => c.req.host, 'port' => c.req.port, 'path' => c.req.path,
                 'query' => c.req.query, 'queryString' => c.req.query_string,
                 'headers' => c.req.headers
               })
  },
  'bodyText' => ->(c) { c.res.text(c.req.body_text) },
  'bodyRaw' => ->(c) { c.res.send(c.req.body_raw) },
  'body' => lambda { |c|
    if c.req.body.is_a?(String)
      c.res.text(c.req.body, 200, { 'x-kind' => 'text' })
    else
      c.res.json(c.req.body, 200, { 'x-kind' => 'json' })
    end
  },
  'bodyJson' => ->(c) { c.res.json({ 'key' => c.req.body_json['key1'], 'all' => c.req.body_json }) },
  'bodyBinary' => ->(c) { c.res.binary(c.req.body_binary) },
  'md5' => lambda { |c|
    c.res.send(Digest::MD5.hexdigest(c.req.body_binary), 200, { 'x-method' => c.req.method })
  },
  'binaryKinds' => lambda { |c|
    bytes = [0, (c.req.headers['x-kind'].to_i + 1) * 10, 255]
    c.res.binary(c.req.headers['x-kind'] == '4' ? bytes : bytes.pack('C*'))
  },
  'sendNumber' => ->(c) { c.res.send(50) },
  'sendBytes' => ->(c) { c.res.send(c.req.body_binary, 200, { 'content-type' => 'image/png' }) },
  'env' => ->(c) { c.res.json({ 'set' => ENV['CUSTOM_ENV_VAR'], 'unset' => ENV['NOT_DEFINED_VAR'] }) },
  'logs' => lambda { |c|
    puts 'Native log'
    c.log('Debug log')
    c.error('Error log')
    c.log('Log+With+Plus+Symbol')
    c.log(42)
    c.log(4.2)
    c.log(true)
    c.log({ 'objectKey' => 'objectValue' })
    c.log(['arrayValue'])
    c.log('a' * 9000)
    c.error('b' * 9000)
    c.log('c' * 8000)
    c.res.text('')
  },
  'nativeStreams' => lambda { |c|
    print 'out '
    $stdout.write("line\n")
    warn 'err line'
    c.res.text('')
  },
  'twoArguments' => lambda { |c|
    c.log('log1', 'log2')
    c.error('error1', 'error2')
    c.res.text('')
  },
  'logThenThrow' => lambda { |c|
    c.log('before the end')
    raise 'Main function error'
  },
  'sleep' => lambda { |c|
    id = c.req.query['id']
    c.log("start #{id}")
    puts "native start #{id}"
    sleep((c.req.query['ms'] || '50').to_i / 1000.0)
    puts "native end #{id}"
    c.log("end #{id}")
    c.res.text("slept #{id}")
  },
  # Answers when `n` of these calls are running at the same time.
  'meet' => lambda { |c|
    mine = Queue.new
    LOCK.synchronize do
      ARRIVALS << mine
      all_at_once(ARRIVALS) if ARRIVALS.size == c.req.query['n'].to_i
    end
    mine.pop
    c.res.text('met')
  },
  # Answers when `release` is called.
  'hold' => lambda { |c|
    mine = Queue.new
    LOCK.synchronize { HELD << mine }
    c.log('holding')
    mine.pop
    c.res.text('released')
  },
  # What was late has been said when this answers.
  'release' => lambda { |c|
    LOCK.synchronize { all_at_once(HELD) }
    LATE.shift.join until LATE.empty?
    c.res.text('')
  },
  'printLater' => lambda { |c|
    Thread.new { puts "late #{c.req.query['id']}" }.join
    c.res.text('')
  },
  'lateOutput' => lambda { |c|
    mine = Queue.new
    LOCK.synchronize { HELD << mine }
    LATE << Thread.new do
      mine.pop
      c.log('too late')
      puts 'too late'
    end
    c.res.text('done')
  },
  # Prints beside its answer, and for longer than the answer takes.
  'chatter' => lambda { |c|
    begun = Queue.new
    Thread.new do
      100.times do
        print 'x'
        begun << true
      end
    end
    begun.pop
    c.res.text('said')
  },
  'bare' => ->(_) { 'just text' },
  'bareNumber' => ->(_) { 42 },
  'bareList' => ->(_) { [1, 2] },
  'nothing' => ->(_) { {} },
  'handMade' => ->(_) { { 'body' => 'made', 'statusCode' => '201', 'headers' => { 'X-Made' => 'yes' } } },
  'headerKinds' => lambda { |c|
    c.res.text('', 200, {
                 'x-number' => 248, 'x-flag' => true,
                 'set-cookie' => ['a=1; Path=/', 'b=2'], 'x-accent' => 'é'
               })
  },
  'badHeaderValue' => ->(c) { c.res.text('', 200, { 'x-bad' => "a\r\nset-cookie: evil=1" }) },
  'badHeaderName' => ->(c) { c.res.text('', 200, { 'x bad' => 'a' }) },
  'manyHeaders' => ->(c) { c.res.text('', 200, { 'x-big' => 'x' * c.req.query['size'].to_i }) },
  'wrongText' => ->(c) { c.res.text(7) },
  'counter' => ->(c) { c.res.text((COUNT[:counter] += 1).to_s) },
  'large' => lambda { |c|
    size = c.req.query['size'].to_i
    body = ('abcdefghij' * (size / 10 + 1))[0, size]
    c.res.binary(body, 200, { 'content-type' => 'application/octet-stream' })
  },
  'largeText' => ->(c) { c.res.text('é' * c.req.query['size'].to_i) },
  'stream' => lambda { |c|
    c.res.start(201, { 'content-type' => 'text/event-stream' })
    c.res.write('first ')
    c.log('between')
    c.res.write('second')
    c.res.end
    'ignored'
  },
  'streamMany' => lambda { |c|
    c.res.start
    c.req.query['parts'].to_i.times do |i|
      c.res.write(i.chr * 100_000)
      c.log("wrote #{i}")
    end
    c.res.end
  },
  'streamThenThrow' => lambda { |c|
    c.res.write('half')
    raise 'broken in the middle'
  },
  'spin' => lambda { |c|
    c.log('before the loop')
    loop {}
  },
  'flood' => lambda { |c|
    line = 'x' * 999
    c.req.query['lines'].to_i.times { c.log(line) }
    c.res.text('flooded')
  },
  'exit' => lambda { |c|
    c.log('before the exit')
    exit 3
  },
  'exitHard' => lambda { |c|
    c.log('before the exit')
    print 'unfinished line'
    exit! 4
  },
  'openFiles' => ->(c) { c.res.text(`/bin/ls -l /proc/self/fd`) }
}.freeze

def main(context)
  action = ACTIONS[context.req.headers['x-action']]
  raise 'Unknown action' if action.nil?

  action.call(context)
end
