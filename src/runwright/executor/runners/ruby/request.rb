# frozen_string_literal: true

module Runwright
  HIDDEN = 'x-open-runtimes-'

  # `context.req`. Bodies are read when they are asked for.
  class Request
    attr_reader :method, :scheme, :host, :port, :path, :query_string, :query, :url, :headers,
                :body_binary

    def initialize(head, body)
      first, *lines = head.dup.force_encoding(Encoding::UTF_8).scrub.split("\n")
      method, target = first.split(' ', 2)
      @method = method.upcase
      @path, @query_string = target.to_s.split('#', 2).first.to_s.split('?', 2)
      @path = @path.to_s
      @query_string = @query_string.to_s
      @query = parse_query(@query_string)
      @headers = parse_headers(lines)
      locate
      @body_binary = body
    end

    def body_text
      @body_text ||= @body_binary.dup.force_encoding(Encoding::UTF_8)
    end

    alias body_raw body_text

    def body_json
      JSON.parse(body_text)
    rescue JSON::ParserError => e
      raise e.class, "The body is not JSON: #{e.message}"
    end

    def body
      type = (@headers['content-type'] || 'text/plain').downcase
      return body_text unless type.start_with?('application/json')

      @body_binary.empty? ? {} : body_json
    end

    # Headers that win over those of the caller; by contract a broken value counts as none.
    def self.enforced
      parsed = JSON.parse(ENV['OPEN_RUNTIMES_HEADERS'] || '{}')
      parsed.to_h { |name, value| [name.downcase, value.to_s] }
    rescue JSON::ParserError, NoMethodError
      {}
    end

    private

    def locate
      given = @headers['x-forwarded-proto'].to_s
      @scheme = given.empty? ? 'http' : given
      default = @scheme == 'https' ? 443 : 80
      @host, port = split_host(@headers['host'].to_s)
      @port = port || default
      @url = "#{@scheme}://#{@host}#{":#{@port}" unless @port == default}#{@path}"
      @url += "?#{@query_string}" unless @query_string.empty?
    end

    def parse_headers(lines)
      headers = {}
      lines.each do |line|
        name, value = line.split(':', 2)
        name = name.downcase
        next if name.start_with?(HIDDEN)

        joint = name == 'cookie' ? '; ' : ', '
        headers[name] = headers.key?(name) ? "#{headers[name]}#{joint}#{value}" : value.to_s
      end
      headers.merge(Request.enforced)
    end

    def parse_query(text)
      text.split('&').each_with_object({}) do |pair, query|
        name, value = pair.split('=', 2)
        query[name] = value.to_s unless name.nil? || name.empty?
      end
    end

    # [host, port or nil]; an IPv6 literal keeps its brackets.
    def split_host(value)
      from = value.start_with?('[') ? value.index(']').to_i + 1 : 0
      colon = value.index(':', from)
      return [value, nil] if colon.nil?

      digits = value[(colon + 1)..]
      [value[0, colon], digits.match?(/\A\d{1,5}\z/) ? digits.to_i : nil]
    end
  end
end
