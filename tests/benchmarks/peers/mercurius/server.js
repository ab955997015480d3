// Mercurius with its compiler: one prepared statement per page, whose rows are serialized directly.
// node server.js <port> <postgresql URL> <page.sql> <flow.sql> <schema.graphql>
'use strict'

const { readFileSync } = require('node:fs')
const Fastify = require('fastify')
const mercurius = require('mercurius')
const pg = require('pg')

const [port, url, pageFile, flowFile, schemaFile] = process.argv.slice(2)
const SEARCHED = ['name', 'slug', 'designation', 'title', 'denied_action']
const DEFAULT_BACKGROUND = '/static/dist/assets/images/flow_background.jpg'

// Connections and their prepared statements stay open.
const pool = new pg.Pool({
  connectionString: url,
  max: 10,
  idleTimeoutMillis: 0,
  // FlowQL's settings: PostgreSQL plans each statement once.
  options: '-c plan_cache_mode=force_generic_plan -c jit=off -c max_parallel_workers_per_gather=0'
})
const pageText = readFileSync(pageFile, 'utf8').replace(/^--.*\n/gm, '')
const flowText = readFileSync(flowFile, 'utf8').replace(/^--.*\n/gm, '').replaceAll(':slug', '$1')

// A statement is prepared once for each ordering, filter and number of search terms.
const statements = new Map()

function statement (ordering, byDesignation, termCount) {
  const key = `${ordering}/${byDesignation}/${termCount}`
  let prepared = statements.get(key)
  if (prepared === undefined) {
    prepared = { name: `page${statements.size}`, text: renderPage(ordering, byDesignation, termCount) }
    statements.set(key, prepared)
  }
  return prepared
}

function renderPage (ordering, byDesignation, termCount) {
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

const orderBy = (ordering) => [...(ordering ?? []).map(renderTerm), 'slug'].join(', ')

// LAYOUT_ASC becomes `layout`. The name is an enum value, hence it cannot inject SQL.
const renderTerm = (name) => name.endsWith('_ASC')
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
  return { pagination: pagination(count, page, pageSize), results: rows.map(completeFlow) }
}

async function flow (_, { slug }) {
  const { rows } = await pool.query({ name: 'flow', text: flowText, values: [slug] })
  return rows.length ? completeFlow(rows[0]) : null
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

// Changes the row in place, because the compiled query reads its fields directly.
function completeFlow (row) {
  row.stages = splitList(row.stages)
  row.policies = splitList(row.policies)
  row.exportUrl = `/api/v3/flows/instances/${row.slug}/export/`
  row.background = backgroundUrl(row.background)
  row.designation = toUpperCase(row.designation)
  row.policyEngineMode = toUpperCase(row.policyEngineMode)
  row.layout = toUpperCase(row.layout)
  row.deniedAction = toUpperCase(row.deniedAction)
  row.authentication = toUpperCase(row.authentication)
  return row
}

const splitList = (joined) => (joined === '' ? [] : joined.split(','))

// Enum values are stored in lower case; the few distinct ones are converted once.
const upperCaseValues = new Map()

function toUpperCase (value) {
  let upperCase = upperCaseValues.get(value)
  if (upperCase === undefined) upperCaseValues.set(value, upperCase = value.toUpperCase())
  return upperCase
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
  // Columns and `completeFlow` return valid values, which need no serialization checks.
  compilerOptions: { disableLeafSerialization: true },
  graphiql: false
})
app.listen({ port: Number(port), host: '127.0.0.1' }).catch((error) => {
  console.error(error)
  process.exit(1)
})
