import { flavours } from './clients.js'
import { hearsAllPrimaries } from './events-cluster.js'

for (const n of [0, 3]) hearsAllPrimaries(flavours[n]!)
