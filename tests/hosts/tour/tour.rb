# frozen_string_literal: true

# The tour of every function, by the gem. Arguments: the steps, a new database, a catalog. Each step
# prints a line: what it gave, or the code of its error.

require "cotas"
require "json"

def plain(value)
  case value
  when Cotas::Engine, Cotas::Tenant then nil
  when Cotas::Decision, Cotas::Payment then plain(value.to_h)
  when Time then (value.to_r * 1000).to_i
  when Hash then value.transform_values { |it| plain(it) }
  when Array then value.map { |it| plain(it) }
  else value
  end
end

# A member of a step with what stands for its $names.
def whole(value, objects)
  case value
  when Array then value.map { |it| whole(it, objects) }
  when Hash then value.transform_values { |it| whole(it, objects) }
  when /\A\$(\w+)\z/ then objects.fetch($1)
  when /\A\$(\w+)\.(\w+)\z/ then objects.fetch($1).public_send($2)
  when /\A\$(\w+)(\/.*)\z/ then objects.fetch($1) + $2
  else value
  end
end

steps, database, catalog = ARGV
objects = {
  "database" => database, "directory" => File.dirname(database), "catalog" => File.read(catalog),
  "Engine" => Cotas::Engine, "library" => Cotas
}
JSON.parse(File.read(steps)).each do |step|
  places = whole(step.fetch("given", []), objects)
  options = whole(step.fetch("options", {}), objects).transform_keys(&:to_sym)
  if step["on"] == "engine" && places.first.is_a?(Hash)
    options = places.first.transform_keys(&:to_sym).merge(options)
    places = []
  end
  begin
    gave = objects.fetch(step["on"]).public_send(step["call"], *places, **options)
    objects[step["as"]] = gave if step["as"]
    puts JSON.generate({ gives: plain(gave) })
  rescue Cotas::Error => e
    puts JSON.generate({ fails: e.code })
  end
end
