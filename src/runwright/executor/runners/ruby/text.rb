# frozen_string_literal: true

# How values become log text. Whatever user code logs, this must not raise.
module Runwright
  MAX_ENTRY = 8000 # characters
  CUT = '... Log truncated due to size limit (8000 characters)'

  module Text
    module_function

    # One entry: the arguments, joined by one space, cut, with its newline.
    def entry(values)
      "#{cut(values.map { |value| shown(value) }.join(' '))}\n"
    end

    def shown(value)
      text = case value
             when String then value
             when Exception then value.message
             when Hash, Array then JSON.generate(value)
             when nil then 'null'
             else value.to_s
             end
      readable(text)
    rescue StandardError, SystemStackError
      fallback(value)
    end

    def readable(text)
      text = text.dup.force_encoding(Encoding::UTF_8) unless text.encoding == Encoding::UTF_8
      text.valid_encoding? ? text : text.scrub
    end

    def fallback(value)
      readable(value.inspect)
    rescue StandardError, SystemStackError
      "[#{value.class} that cannot be shown]"
    end

    def cut(text)
      text.length > MAX_ENTRY ? text[0, MAX_ENTRY] + CUT : text
    end
  end
end
