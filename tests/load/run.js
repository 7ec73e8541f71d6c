// A load that looks like a site, at one place after the other: see docs/load.md.
import { options } from './options.js'
import { runPlace } from './place.js'
import { report } from './report.js'

let differences = 0
for (const kind of options.places) {
  if (kind === 'compare') continue
  const found = await runPlace(kind)
  differences += found.differences.length
  console.log(`\n${report(found)}\n`)
}
process.exit(differences > 0 ? 1 : 0)
