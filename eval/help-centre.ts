// Ten short articles of a made-up shop's help pages, and questions as customers put them: seldom in the article's words.
import type { Question } from './sets.ts';

export const HELP_CENTRE = [
  {
    id: 'paying',
    title: 'Ways to pay',
    text: `We accept Visa, Mastercard, PayPal and bank transfer. American Express is not accepted at the moment.

Your card is charged when the parcel leaves our warehouse, not when you order. With a bank transfer we hold the goods for seven days. Gift cards can be used for part of the amount; enter the sixteen digits at the checkout.`,
  },
  {
    id: 'delivery',
    title: 'Delivery times and costs',
    text: `Parcels within the country arrive in two to four working days. Shipping costs 4.90 euros and is free for orders above 60 euros.

We deliver to Switzerland and Norway, where customs duties may be added. To other countries outside the European Union we do not ship. Express parcels ordered before 11 am arrive the next day.`,
  },
  {
    id: 'returns',
    title: 'Returns and refunds',
    text: `You can send goods back within 30 days. Opened food and flour cannot be returned for reasons of hygiene.

Print the return label from your account and stick it on the parcel. The money is back on your card five days after the parcel has reached us. If an item arrived broken, send us a photo and we replace it at no charge.`,
  },
  {
    id: 'password',
    title: 'Signing in',
    text: `If you cannot sign in, choose "Forgot password" and we email you a link that is valid for one hour. After five wrong attempts the account is locked for 20 minutes.

Two-step verification uses an authenticator app. Keep the ten recovery codes in a safe place: without them support must check your identity by post.`,
  },
  {
    id: 'sourdough',
    title: 'Baking with our starter',
    text: `Feed the starter with equal parts of flour and water the evening before. Knead the dough for twelve minutes and let it rest overnight in the fridge.

Bake sourdough at 230 degrees for 45 minutes, the first 15 of them with the lid on. The loaf is done when it sounds hollow underneath.`,
  },
  {
    id: 'mixer',
    title: 'The stand mixer',
    text: `The mixer has a 1000 watt motor and a steel bowl of five litres. It is guaranteed for three years.

The bowl and the whisk go in the dishwasher, the dough hook must be washed by hand. If the motor smells or stops, let it cool for half an hour: the overload switch has acted.`,
  },
  {
    id: 'privacy',
    title: 'Your data',
    text: `We keep invoices for ten years because the tax law asks for it. Everything else is erased when you close your account.

We never sell addresses. The newsletter can be cancelled by the link at its foot. Questions about data go to our privacy officer, Marta Lindqvist.`,
  },
  {
    id: 'courses',
    title: 'Baking courses',
    text: `Courses take place on Saturdays in our bakery in Uppsala and cost 85 euros, ingredients and lunch included. Groups have at most eight people.

The teacher is Jonas Ek, who ran a bakery in Copenhagen for twenty years. You can cancel up to a week before without a fee.`,
  },
  {
    id: 'points',
    title: 'Loyalty points',
    text: `For every euro you get one point. 200 points are worth a voucher of 5 euros. Points expire after 18 months.

Members with more than 1000 points a year are gold members and get a birthday present. Points are not given for gift cards.`,
  },
  {
    id: 'contact',
    title: 'Reach us',
    text: `Our hotline is open from Monday to Friday between 9 am and 5 pm. On weekends write to us; we reply within a day.

The shop in Uppsala was opened in 1998 by Elin Berg. There is parking behind the building, and dogs are welcome.`,
  },
];

export const HELP_QUESTIONS: Question[] = [
  { q: 'Can I pay with PayPal?', answers: ['PayPal'] },
  { q: 'Do you take American Express?', answers: ['American Express is not accepted'] },
  { q: 'When will my credit card be charged?', answers: ['when the parcel leaves our warehouse'] },
  { q: 'How long does shipping take?', answers: ['two to four working days'] },
  { q: 'How much is the postage?', answers: ['4.90'] },
  { q: 'Do you ship to Norway?', answers: ['Norway'] },
  { q: 'How many days do I have to return something?', answers: ['within 30 days'] },
  { q: 'When do I get my money back?', answers: ['five days after'] },
  { q: 'My parcel was damaged, what should I do?', answers: ['send us a photo'] },
  { q: 'I forgot my password', answers: ['Forgot password'] },
  { q: 'Why is my account locked?', answers: ['five wrong attempts'] },
  { q: 'How hot should the oven be?', answers: ['230 degrees'] },
  { q: 'How long do I knead the dough?', answers: ['twelve minutes'] },
  { q: 'Is the dough hook dishwasher safe?', answers: ['washed by hand'] },
  { q: 'How long is the warranty on the mixer?', answers: ['three years'] },
  { q: 'How do I unsubscribe from the newsletter?', answers: ['link at its foot'] },
  { q: 'Who teaches the courses?', answers: ['Jonas Ek'] },
  { q: 'What does a course cost?', answers: ['85 euros'] },
  { q: 'Do loyalty points expire?', answers: ['18 months'] },
  { q: 'What are your opening hours?', answers: ['9 am'] },
];
