# frozen_string_literal: true

module Runwright
  HEAD_DEFAULT = 'content-type:text/plain; charset=utf-8'
  MAX_HEAD_BYTES = 64 * 1024
  MISSING_RETURN =
    'Return statement missing. return context.res.empty() if no response is expected.'

  # User code returned something that is no response; the message goes to its errors.
  class BadResponse < StandardError; end

  # `context.res`.
  class Response
    def initialize(call)
      @call = call
    end

    def text(body, status_code = 200, headers = {})
      unless body.is_a?(String)
        raise TypeError, "TypeError: context.res.text() needs a String, not #{body.class}."
      end

      answer(body, status_code, headers)
    end

    def json(value, status_code = 200, headers = {})
      headers = Head.with(headers, 'content-type', 'application/json')
      answer(JSON.generate(value), status_code, headers)
    end

    def binary(bytes, status_code = 200, headers = {})
      bytes = bytes.pack('C*') if bytes.is_a?(Array)
      unless bytes.is_a?(String)
        raise TypeError, "context.res.binary() needs a String or an Array of bytes, not #{bytes.class}."
      end

      answer(bytes, status_code, headers)
    end

    def redirect(url, status_code = 301, headers = {})
      answer('', status_code, Head.with(headers, 'location', url))
    end

    def empty
      answer('', 204, {})
    end

    def send(body, status_code = 200, headers = {})
      answer(body.is_a?(String) ? body : body.to_s, status_code, headers)
    end

    # Streaming: head first, then parts, then the end. What the function returns is then ignored.
    def start(status_code = 200, headers = {})
      @call.stream_start(status_code, headers)
    end

    def write(chunk)
      @call.stream_write(chunk.to_s)
    end

    def end(chunk = '')
      @call.stream_write(chunk.to_s)
      @call.stream_end
    end

    private

    def answer(body, status_code, headers)
      { 'body' => body, 'statusCode' => status_code, 'headers' => headers }
    end
  end

  # From what user code returned to status, head and body.
  module Head
    NAME = /\A[!#$%&'*+\-.^_`|~0-9a-z]+\z/.freeze
    BAD_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/.freeze

    module_function

    # A copy: the caller's own hash must not change. One name in any spelling is one header.
    def with(headers, name, value)
      others = headers.reject { |own, _| own.to_s.downcase == name }
      others.merge(name => value)
    end

    # [status, head, body]
    def build(value)
      raise BadResponse, MISSING_RETURN if value.nil?

      unless value.is_a?(Hash)
        raise BadResponse, "The function returned #{value.class} instead of a response. Return the " \
                           'result of a helper, for example context.res.text(...) or ' \
                           'context.res.json(...).'
      end

      value = value.transform_keys(&:to_s)
      status = status_of(value['statusCode'])
      head = head_of(value['headers'] || {})
      [status, head, bodiless?(status) ? '' : body_of(value['body'])]
    end

    def status_of(value)
      return 200 if value.nil?

      status = value.is_a?(String) && value.match?(/\A\s*\d{3}\s*\z/) ? value.to_i : value
      return status if status.is_a?(Integer) && status.between?(100, 599)

      raise BadResponse,
            "Response status code must be an integer from 100 to 599, not #{Text.shown(value)}."
    end

    def body_of(value)
      case value
      when String then value
      when nil then ''
      when Hash, Array then JSON.generate(value)
      else value.to_s
      end
    end

    def head_of(headers)
      raise BadResponse, "Response headers must be a Hash, not #{headers.class}." unless headers.is_a?(Hash)

      type = 'text/plain'
      lines = +''
      headers.each do |name, value|
        lower = name.to_s.downcase
        next if lower.start_with?(HIDDEN)
        raise BadResponse, "Response header name #{name.to_s.inspect} is not valid." unless NAME.match?(lower)

        (value.is_a?(Array) ? value : [value]).each do |one|
          text = text_of(lower, one)
          lower == 'content-type' ? type = text : lines << "\n#{lower}:#{text}"
        end
      end
      head = "content-type:#{content_type(type)}#{lines}"
      return head if head.bytesize <= MAX_HEAD_BYTES

      raise BadResponse, "Response headers are larger than #{MAX_HEAD_BYTES} bytes."
    end

    def text_of(name, value)
      text = Text.readable(value.to_s)
      return text unless BAD_VALUE.match?(text)

      raise BadResponse, "Response header \"#{name}\" contains a character that headers cannot carry."
    end

    def content_type(value)
      lower = value.downcase
      return value if lower.start_with?('multipart/') || lower.include?('charset=')

      "#{lower}; charset=utf-8"
    end

    def bodiless?(status)
      [204, 304].include?(status) || status < 200
    end
  end
end
