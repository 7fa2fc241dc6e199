// The sizes that the page names. Each is of another thing: it never stands without its words.

export const SIZES = {
  text: { label: 'Text', meaning: 'the words of all documents' },
  disk: {
    label: 'On disk',
    meaning: 'all that the browser stores: the text, its vectors and an index of its words',
  },
  memory: {
    label: 'In memory',
    short: 'in memory',
    meaning: 'what a search reads: vectors, and the words last looked up',
  },
  gpu: { label: 'On the GPU', meaning: 'a copy of the vectors, for searches there' },
} as const;
