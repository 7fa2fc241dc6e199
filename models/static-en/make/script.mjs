// Writes ../model.js: the files that the embedder reads, as one script, for pages that cannot fetch. `npm pack` runs it.
import { readFileSync, writeFileSync } from 'node:fs';

const FILES = ['raw/table.u4', 'raw/scales.f32', 'tokenizer.json'];

const here = (path) => new URL(`../${path}`, import.meta.url);
const entries = FILES.map((path) => `'${path}':bytes('${readFileSync(here(path)).toString('base64')}')`);
writeFileSync(
  here('model.js'),
  `// piramid-static-en ${JSON.parse(readFileSync(here('package.json'), 'utf8')).version}: the model's files in base64. A script tag, or an import by index.js.
globalThis.piramidStaticEn=(()=>{
const bytes=(text)=>{
if(Uint8Array.fromBase64)return Uint8Array.fromBase64(text);
const letters=atob(text),bytes=new Uint8Array(letters.length);
for(let i=0;i<bytes.length;i++)bytes[i]=letters.charCodeAt(i);
return bytes};
return{'static-en':{${entries.join(',\n')}}};
})();
`,
);
