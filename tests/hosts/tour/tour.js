'use strict';

// The tour of every function, by the package. Arguments: the steps, a new database, a catalog.
// Each step prints a line: what it gave, or the code of its error.

const fs = require('node:fs');
const path = require('node:path');
const cotas = require('cotas');

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function plain(value) {
  if (value instanceof Date) return value.getTime();
  if (value instanceof cotas.Decision) return plain(value.toJSON());
  if (value instanceof cotas.Engine || value instanceof cotas.Tenant) return null;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([name, it]) => [snake(name), plain(it)]));
}

async function play(steps, database, catalog) {
  const directory = path.dirname(database);
  const texts = { $database: database, $directory: directory };
  texts.$catalog = fs.readFileSync(catalog, 'utf8');
  const objects = { Engine: cotas.Engine, library: cotas };
  const given = (value) => {
    if (typeof value !== 'string' || !value.startsWith('$')) return value;
    if (value in texts) return texts[value];
    const [name, member] = value.slice(1).split('.');
    return member === undefined ? objects[name] : objects[name][member];
  };
  const whole = (value) => {
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      return Object.fromEntries(Object.entries(value).map(([name, it]) => [name, whole(it)]));
    }
    return typeof value === 'string' ? given(value.replace('$directory/', `${directory}/`)) : value;
  };
  for (const step of JSON.parse(fs.readFileSync(steps, 'utf8'))) {
    const options = Object.entries(step.options ?? {}).map(([name, it]) => [camel(name), whole(it)]);
    const places = (step.given ?? []).map(whole);
    if (options.length > 0) places.push(Object.fromEntries(options));
    const on = objects[step.on];
    try {
      const gave = await on[camel(step.call)](...places);
      if (step.as) objects[step.as] = gave;
      console.log(JSON.stringify({ gives: plain(gave) }));
    } catch (error) {
      const isOurs = error instanceof cotas.CotasError || error instanceof cotas.ArgumentError;
      if (!isOurs) throw error;
      console.log(JSON.stringify({ fails: error.code }));
    }
  }
}

play(...process.argv.slice(2));
