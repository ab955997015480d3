// Mercurius with its compiler on: one prepared statement a page, nothing between it and JSON.
// node server.js <port> <postgresql URL> <page.sql> <flow.sql> <schema.graphql>
'use strict'

const { readFileSync } = require('node:fs')
const Fastify = require('fastify')
const mercurius = require('mercurius')
const pg = require('pg')

const [port, url, pageFile, flowFile, schemaFile] = process.argv.slice(2)
const SEARCHED = ['name', 'slug', 'designation', 'title', 'denied_action']
const DEFAULT_BACKGROUND = '/static/dist/assets/images/flow_background.jpg'

// Connections stay open, and what is prepared on them stays prepared.
const pool = new pg.Pool({
  connectionString: url,
  max: 10,
  idleTimeoutMillis: 0,
  // As FlowQL has it: a statement is planned once.
  options: '-c plan_cache_mode=force_generic_plan -c jit=off'
})
const pageText = readFileSync(pageFile, 'utf8').replace(/^--.*\n/gm, '')
const flowText = readFileSync(flowFile, 'utf8').replace(/^--.*\n/gm, '').replaceAll(':slug', '$1')

// A statement is prepared once for each shape, which has as many parameters as it has terms.
const statements = new Map()

function statement (ordering, byDesignation, termCount) {
  const key = `${ordering}/${byDesignation}/${termCount}`
  let known = statements.get(key)
  if (known === undefined) {
    known = { name: `page${statements.size}`, text: pageOf(ordering, byDesignation, termCount) }
    statements.set(key, known)
  }
  return known
}

function pageOf (ordering, byDesignation, termCount) {
  const conditions = byDesignation ? ['designation = $3'] : []
  const first = byDesignation ? 4 : 3
  for (let term = first; term < first + termCount; term++) {
    conditions.push(`(${SEARCHED.map((column) => `${column} ILIKE $${term}`).join(' OR ')})`)
  }
  return pageText
    .replaceAll('{filter}', conditions.join(' AND ') || 'true')
    .replaceAll('{ordering}', ordering)
    .replaceAll(':size', '$1')
    .replaceAll(':offset', '$2')
}

const orderBy = (ordering) => [...(ordering ?? []).map(ordered), 'slug'].join(', ')

// LAYOUT_ASC is `layout`; no text of a client's becomes SQL, since it is a value of an enum.
const ordered = (name) => name.endsWith('_ASC')
  ? name.slice(0, -'_ASC'.length).toLowerCase()
  : `${name.slice(0, -'_DESC'.length).toLowerCase()} DESC`

const pattern = (term) => `%${term.replace(/[\\%_]/g, '\\$&')}%`

async function flows (_, { page, pageSize, ordering, designation, search }) {
  const terms = search ? search.split(/\s+/).filter(Boolean) : []
  const { name, text } = statement(orderBy(ordering), Boolean(designation), terms.length)
  const values = [pageSize, (page - 1) * pageSize]
  if (designation) values.push(designation.toLowerCase())
  for (const term of terms) values.push(pattern(term))
  const { rows } = await pool.query({ name, text, values })
  const count = rows.length ? rows[0].total : 0
  return { pagination: pagination(count, page, pageSize), results: rows.map(finished) }
}

async function flow (_, { slug }) {
  const { rows } = await pool.query({ name: 'flow', text: flowText, values: [slug] })
  return rows.length ? finished(rows[0]) : null
}

function pagination (count, page, pageSize) {
  const totalPages = Math.max(1, Math.ceil(count / pageSize))
  if (page < 1 || page > totalPages) throw new Error('Invalid page.')
  const start = (page - 1) * pageSize
  return {
    next: page < totalPages ? page + 1 : 0,
    previous: page - 1,
    count,
    current: page,
    totalPages,
    startIndex: count ? start + 1 : 0,
    endIndex: Math.min(start + pageSize, count)
  }
}

// The row is the flow, so that every field is read by the compiled query itself.
function finished (row) {
  row.stages = elements(row.stages)
  row.policies = elements(row.policies)
  row.exportUrl = `/api/v3/flows/instances/${row.slug}/export/`
  row.background = backgroundUrl(row.background)
  row.designation = inUpperCase(row.designation)
  row.policyEngineMode = inUpperCase(row.policyEngineMode)
  row.layout = inUpperCase(row.layout)
  row.deniedAction = inUpperCase(row.deniedAction)
  row.authentication = inUpperCase(row.authentication)
  return row
}

const elements = (joined) => (joined === '' ? [] : joined.split(','))

// Enums are stored in lower case; there are few, so each is folded once.
const folded = new Map()

function inUpperCase (value) {
  let found = folded.get(value)
  if (found === undefined) folded.set(value, found = value.toUpperCase())
  return found
}

function backgroundUrl (background) {
  if (background === '') return DEFAULT_BACKGROUND
  if (background.startsWith('http') || background.startsWith('/static')) return background
  return `/media/public/${background}`
}

const app = Fastify({ logger: false })
app.register(mercurius, {
  schema: readFileSync(schemaFile, 'utf8'),
  resolvers: { Query: { flows, flow } },
  jit: 1,
  // Every value is what its column or `finished` makes of it, so that none needs a check.
  compilerOptions: { disableLeafSerialization: true },
  graphiql: false
})
app.listen({ port: Number(port), host: '127.0.0.1' }).catch((error) => {
  console.error(error)
  process.exit(1)
})
