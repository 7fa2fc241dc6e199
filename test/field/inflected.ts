// Texts and queries that differ in their endings alone: each query is to find the text beside it, and no other.
import type { Language } from '../../src/types.ts';

export const INFLECTED: { [language in Language]?: readonly (readonly [text: string, query: string])[] } = {
  ru: [
    ['Я читаю интересную книгу', 'книги'],
    ['Мы живём в большом городе', 'города'],
    ['Собаки громко лаяли ночью', 'собака'],
    ['Новая машина стоит дорого', 'машины'],
    ['Дети играют на улице', 'улицы'],
    ['Старый дом сгорел', 'дома'],
  ],
  de: [
    ['Die Häuser stehen am Fluss', 'Haus'],
    ['Er kaufte zwei Bücher', 'Buch'],
    ['Die Kinder spielen draußen', 'Kindern'],
    ['Wir wanderten über Berge', 'Berg'],
    ['Die Rechnungen sind bezahlt', 'Rechnung'],
    ['Eine kleine Katze schläft', 'kleinen Katzen'],
  ],
  ar: [
    ['قرأت الكتاب أمس', 'كتاب'],
    ['ذهب إلى المدرسة', 'مدرسة'],
    ['وصل المسافرون صباحا', 'مسافر'],
    ['اشتريت سيارة جديدة', 'السيارة'],
    ['هذه مدينة قديمة', 'المدينة'],
    ['زرنا المعلمين', 'معلم'],
  ],
  fr: [
    ['Les chevaux galopaient vite', 'galoper'],
    ['Nous avons acheté des maisons', 'maison'],
    ['Elle chantait une chanson', 'chansons'],
  ],
  es: [
    ['Los gatos duermen mucho', 'gato'],
    ['Compramos naranjas frescas', 'naranja'],
    ['Escribimos cartas largas', 'carta'],
  ],
  el: [
    ['Οι γάτες κοιμούνται', 'γάτα'],
    ['Οι άνθρωποι περπατούν', 'άνθρωπος'],
  ],
  tr: [
    ['Evlerimiz çok büyük', 'ev'],
    ['Kitapları okudum', 'kitap'],
  ],
  hi: [
    ['लड़कियां खेल रही हैं', 'लड़की'],
    ['किताबें मेज पर हैं', 'किताब'],
  ],
};
