// Builds dist/esm and dist/cjs, each with its types, from the one source: `npm run build`.
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'))
const tsc = join(typescript, 'bin', 'tsc')

rmSync('dist', { recursive: true, force: true })
for (const [folder, type, options] of [
  ['dist/esm', 'module', ['--module', 'nodenext']],
  ['dist/cjs', 'commonjs', ['--module', 'commonjs', '--moduleResolution', 'bundler']],
]) {
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', folder, ...options], {
    stdio: 'inherit',
  })
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ type })}\n`)
}
