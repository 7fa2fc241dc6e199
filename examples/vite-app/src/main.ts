import { open } from 'piramid';

/** The record type types `where`, `facets`, `update` and the metadata of results. */
interface Recipe {
  title: string;
  minutes: number;
}

const db = await open('example-recipes', { assets: `${import.meta.env.BASE_URL}piramid/` });
const recipes = await db.collection<Recipe>('recipes', { embedder: 'static-en' });
await recipes.upsert([
  { id: 1, text: 'Whisk the eggs and fry them with butter.', metadata: { title: 'Omelette', minutes: 10 } },
  { id: 2, text: 'Let the dough rest over night, then bake.', metadata: { title: 'Bread', minutes: 900 } },
  { id: 3, text: 'Boil the eggs, peel them, add mustard.', metadata: { title: 'Egg salad', minutes: 25 } },
]);

const input = document.querySelector<HTMLInputElement>('#text')!;
const result = document.querySelector('#result')!;

async function search() {
  const found = await recipes.query({ text: input.value, where: { minutes: { $lte: 30 } } });
  result.replaceChildren(
    ...found.map(({ metadata }) => {
      const line = document.createElement('li');
      line.textContent = `${metadata?.title}, ${metadata?.minutes} minutes`;
      return line;
    }),
  );
}

input.addEventListener('input', search);
await search();
