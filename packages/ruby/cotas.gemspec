# frozen_string_literal: true

Gem::Specification.new do |gem|
  gem.name = "cotas"
  gem.version = "0.1.0"
  gem.summary = "Exact, durable quotas inside a chat platform's own process"
  gem.authors = ["The Cotas authors"]
  gem.licenses = ["MIT", "Apache-2.0"]
  gem.required_ruby_version = ">= 3.0"
  gem.platform = Gem::Platform.local if Dir.exist?("native")
  gem.files = Dir["lib/**/*.rb", "native/**/*", "README.md", "LICENSE-*"]
end
