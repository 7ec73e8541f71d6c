// A load that looks like a site, at one place after the other: see docs/load.md.
import { compare } from './compare.js'
import { options } from './options.js'
import { writePage } from './page.js'
import { runPlace } from './place.js'
import { report, reportComparison } from './report.js'

let differences = 0
const reports = []
for (const kind of options.places) {
  const found = kind === 'compare' ? await compare() : await runPlace(kind)
  differences += [found].flat().flatMap((one) => one.differences).length
  reports.push(kind === 'compare' ? reportComparison(found) : report(found))
  console.log(`\n${reports.at(-1)}\n`)
}
if (options.page) writePage(options.page, reports)
if (differences > 0) console.log(`${differences} differences: the servers do not have what they should.`)
process.exit(differences > 0 ? 1 : 0)
