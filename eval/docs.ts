// Questions to this project's own pages; each answer stands in one of them.
import type { Question } from './sets.ts';

export const DOCS_QUESTIONS: Question[] = [
  { q: 'How many characters of HTML are read at most?', answers: ['50 million'] },
  { q: 'How many words does a passage hold at most?', answers: ['180'] },
  { q: 'Which library parses Markdown?', answers: ['markdown-it'] },
  { q: 'How do I read PDF files?', answers: ['pdf'] },
  { q: 'What happens to elements that are hidden?', answers: ['hidden'] },
  { q: 'How long may a document take to be read?', answers: ['20 s'] },
  { q: 'Which encodings can be named?', answers: ['TextDecoder'] },
  { q: 'Are alt attributes of images read?', answers: ['not read'] },
  { q: 'What is the title of a Markdown file?', answers: ['front matter', 'first heading'] },
  { q: 'How big is the core bundle?', answers: ['kB'] },
  { q: 'What does ask answer without a language model?', answers: ['quotations', 'best sentences'] },
  { q: 'How do several tabs share a database?', answers: ['tab'] },
  { q: 'Which worker leads the database?', answers: ['lead', 'lock'] },
  { q: 'What is written in one transaction?', answers: ['transaction'] },
  { q: 'How are deleted rows kept until compaction?', answers: ['deleted', 'compaction'] },
  { q: 'What checks chunks for damage?', answers: ['checksum', 'CRC'] },
  { q: 'What is the magic at the beginning of a value?', answers: ['magic'] },
  { q: 'What happens when the GPU device is lost?', answers: ['lost', 'loss'] },
  { q: 'How are the ranked lists of vectors and words combined?', answers: ['fus', 'rank'] },
  { q: 'Is the database encrypted?', answers: ['encrypt'] },
  { q: 'What is the size of the log that is folded?', answers: ['fold', 'log'] },
  { q: 'Can I change the key of an encrypted database?', answers: ['rotateKey', 'key'] },
  { q: 'What happens when the disk is full?', answers: ['full', 'STORAGE_FULL', 'QUOTA'] },
  { q: 'How can a database be exported to a file?', answers: ['export'] },
];
