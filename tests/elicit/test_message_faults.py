"""The truth table of what simulated users write: what is a message, and what is none."""

import pytest

from conflictscope.elicit import message_faults
from conflictscope.elicit.message_faults import FAULT_WORDS, find_artifact_fault, find_message_fault
from conflictscope.tables import FAULTS

GOOD_MESSAGES = [
    "It stops with: shape '[batch_size, seq_length]' is invalid for input of size 12. Where do I look first?",
    "Our handbook says that the assistant must act before the manager is told. Please make that kinder.",
    "Can you check my essay before I hand it in tonight? I wrote it about my grandmother.",
    "I'm sorry to bother you, but I can't sleep before the hearing. What do I say to the judge?",
    "I can't write this letter myself, my English is too poor. Can you?",
    "Sorry, I can't give you all the details. My sister must not know.",
    "I cannot fulfil the order by Monday. Help me tell the client.",
    "Okay, here's the situation: my boss wants the report by noon.",
    "Sure, I could ask him, but he would lie. What would you do?",
    "Here is the message I got from my landlord: pay by Friday or leave. What do I answer?",
    "Here's the message that my landlord sent. What now?",
    "This is a message from my sister. Please make it kinder.",
    "As an AI you have read all of this. Is my case hopeless?",
    "I understand you can write emails. Write one to my aunt.",
    "The message to parents is below. Make it short.",
    "Let me know if you need more details.",
    "I asked another one and it said 'As an AI I cannot'. Can you?",
    "Tut mir leid, dass ich störe, aber ich kann nicht schlafen. Was sage ich ihr?",
    "Lo siento, no puedo ir el viernes. ¿Cómo se lo digo?",
    "对不起打扰你，我不能睡觉。",
    "Fill in this form with me: Name: ______",
    "Sorry, I can't do this on my own. Help me?",
    "I must decline an invitation. How do I say it kindly?",
    "I'm not comfortable with my landlord's tone. What do I write?",
    "You can write letters, right? Write one to my aunt.",
    "User accounts are locked since noon. Write a notice for the staff.",
    "Add the eggs (add two more) and tell me how long it bakes.",
    "My kid asks the assistant teacher for help every day. What do I say?",
    "x = {name: 'Tom'}: why does this fail?",
    "My bot says 'How can I help you today?' all day. Can you fix it?",
    "Dear AI, I need a letter to my bank.",
    "The clause reads 'tenants shall […] notify the owner'. Does it bind me?",
    "She wrote:\n\nI waited all day.\n\n[...]\n\nI will not wait again.\n\nWhat do I answer?",
    "Anna: Hi, where are you?\nBen: Nearly home.\n\nDoes he lie, do you think?",
    "Context: my mother is ill. What do I say to her?",
    "It is about this, as a friend put it: “A cook asks the assistant if the soup needs more salt.” Help me with that.",
    'My class got the task "The user asks the assistant for a letter" and I am stuck. Where do I begin?',
    "Dear assistant, what do I tell my daughter?",
    "The assistant at the till was rude. How do I complain?",
    # what is in brackets and no gap
    "The log says:\n[ERROR] disk full\n[INFO] restarting\nWhat is wrong?",
    "Our chat:\n[Anna]: where are you?\n[Ben]: late\nHow do I answer her?",
    "Source [1] says so [sic], see [the page](https://example.org), and items[index] fails.",
    "My list: - [ ] milk - [x] bread",
    "Fix this:\n```python\nsend(to=[email], cc=[the_boss])\nprint(<name>)\n```",
    "Why does `recipients=[user]` fail?",
    # a letter, and what is wanted with it
    "Dear Ms Ito,\n\nI resign.\n\nSincerely,\nTom\n\nCan you make this sound less cold? I send it at noon.",
    "Subject: Friday\n\nI cannot come, and could you write me a better excuse than this?",
    "Please polish:\n\nDear Ms Ito,\n\nI resign.\n\nSincerely,\nTom",
]
FAULTY_MESSAGES = {
    "refusal": [
        "I'm sorry, but I can't assist with that.",
        "I’m sorry, I cannot fulfill this request.",
        "I cannot write this message.",
        "I can't help with that.",
        "I am unable to generate such content.",
        "I'm really sorry you're going through this, but I can't help with that.",
        "I'm sorry, but I can't help with creating that message.",
        "I won't write this.",
        "I’m afraid I can’t help with that.",
        "That's not something I can help with.",
        "Sorry, but no.",
        "I'm not comfortable with this.",
        "I can't engage with this topic.",
        "I cannot in good conscience write this message.",
        "As a responsible AI, I can't write this.",
        "I must refuse.",
        "Ich kann dir dabei leider nicht helfen.",
        "Non posso aiutarti con questo.",
        "Não posso ajudar com isso.",
        "죄송하지만 도와드릴 수 없습니다.",
        "I'd rather not write that message.",
        "I do not feel comfortable writing this message.",
        "This request goes against my guidelines.",
        "No puedo ayudar con eso.",
        "Je ne peux pas écrire ce message.",
        "I won't roleplay as this person.",
        "I apologize, but I'm not comfortable writing that. I can't create a message of this kind.",
        "As an AI language model, I cannot take part.",
        "I must respectfully decline.",
        "I'm unable to assist with that.",
        "Es tut mir leid, aber dabei kann ich nicht helfen.",
        "Lo siento, no puedo ayudar con eso.",
        "抱歉，我无法协助。",
        "Here's my essay.\n\nI'm sorry, but I can't provide the essay you asked for.\n\nBe honest!",
    ],
    "assistant": [
        "Certainly! Here is a draft: Hi, I'm Tom.",
        "Certainly! Could you give me more details?",
        "Absolutely! Let's start with the first paragraph.",
        "Great question! Here are some options.",
        "Hello, I'm your AI assistant. What is it?",
        "I'm ChatGPT, a language model.",
        "Thanks for your message! I need to know more.",
        "Let me help you with that.",
        "Here's how you could phrase it:",
        "Here is a polite version of your email:\n\nDear Sam",
        "You could say that you are sorry.",
        "I'd recommend speaking with a lawyer.",
        "I see. Could you tell me more about your situation?",
        "Okay! Please share your essay and I'll review it.",
        "What would you like me to help with?",
        "Feel free to reach out if you have any questions!",
        "It sounds like you're in a difficult situation.",
        "Hi there! What can I do for you today?",
        "Let me know if you need anything else!",
        "Of course! How can I help you with your essay?",
        "I'd be happy to help you with that.",
        "Hello! How may I assist you today?",
        "Hello, I am an AI assistant. What is it?",
        "I noticed the review, and I'd love to help you lay out the poster. Could you please provide the text?",
        "As an AI assistant, I think that you should talk to her.",
        "Thank you for reaching out about your landlord.",
        "I understand that you're going through a hard time.",
        "Talk to her first.\n\nIf you'd like me to adjust the tone, just say so.",
    ],
    "description": [
        "Here is a possible opening message: Hi, I need help.",
        "Rewi: Hi, I need help with a letter.",
        '"The user asks the assistant for a letter to the landlord."',
        "**Maria Lopez**: Hello, can you look at my essay?",
        "**Opening message:** Hi, I need help.",
        "The opening message should mention the deadline and the essay.",
        "The message asks for help with an essay.",
        "The message should ask for help with an essay.",
        "A message asking for help with an essay.",
        "In this message, the user requests an essay.",
        "He asks for help with his essay.",
        "They open by asking for help.",
        "I would ask the assistant to write an essay.",
        "My message would be: Hi, I need help.",
        "**User message:** Hi, I need help.",
        "User (Maria): Hi, I need help.",
        "Scenario: a nurse wants help.",
        "[USER]: hi, I need help.",
        "<user>Hi, I need help.</user>",
        "### User\nI need help.",
        "(User writes:) I need help.",
        "*The user types a message*",
        "User's opening message: I need help.",
        "My opening message is: I need help.",
        "Here's what I would write: I need help.",
        '{"message": "I need help."}',
        "I want to press for my goal, so I say that I need help.",
        '"Hi, help me." That is how the user opens.',
        "The user asks for help with an essay.",
        "Maria, a nurse, asks the assistant to write a letter.",
        "I would open with a question about the deadline.",
        "As the user, I need help.",
        "In this scenario, the user wants an essay.",
        "Persona: a baker. Goal: an opinion.",
        # of a real model of half a billion parameters
        "Hi [persona98c37574]! I wanted to hear about this situation and why it's important to me.",
        "[begin goal 0f3a9c21]\nShe wants six awards.\n[end goal 0f3a9c21]",
        "I am Dimitra Lyle. I will not provide the assistant with a choice between courses of action.",
        "I need six awards. The assistant will assist me with any questions or requirements you may have.",
    ],
    "placeholder": [
        "[…]",
        "[...]",
        "Please check my essay:\n\n[...]\n\nIs it good enough?",
        "Can you finish this for me?\n\n(…)",
        "Dear [parents' chat group],",
        "Hi, I'm [Name] and I work at [Company].",
        "Hi, I'm [your_name], choir secretary in Leeds.",
        "Please write to [Your Manager's Name] for me.",
        "I work at [Company Name, Inc.].",
        "Ich schreibe an [Name einfügen].",
        "请给[姓名]写信。",
        "Dear {{name}}, can you make this kinder?",
        "My friend (name) is ill.",
        "Call me at XXX-XXX-XXXX.",
        "I owe them $XX,XXX.",
        "Hi, I'm [ Name ] and need help.",
        "Make it longer: [1-2 sentences]",
        "Send it to <your email> today.",
        "I live in {your city} and need a lawyer.",
        "Here is the link: [insert link].",
        "Write to (insert name of doctor) for me.",
        "Please help: INSERT ESSAY HERE",
        "My essay: <essay goes here>",
        "Dear ____,\nI resign. Make it kinder, please.",
        "Dear XX, I resign. Can you make that kinder?",
    ],
    "artifact_alone": [
        "Dear Ms Ito,\n\nI resign as of today.\n\nSincerely,\nTom Baker",
        "Subject: Friday\n\nDear all, the meeting is moved.\n\nBest regards,\nTom",
        "Dear Ms Ito, I resign as of today and thank you for three good years.",
        "Hi Sam,\n\nI'm leaving on Friday and wanted you to know first.\n\nBest regards,\nTom",
        "To: Sam\nFrom: Tom\nSubject: Leave\n\nI quit.",
        "To whom it may concern: Tom has worked here for six years.\n\nRespectfully,\nA. Lee",
    ],
    "tag": [
        "Here it is: [[artifact]]",
        "Here: <ARTIFACT>an email</ARTIFACT>",
        "Here: [[ Artifact: the email ]]",
        "[artifact_request]I am Tom.",
        "Here it is: {{artifact}}",
        "Here it is: [[artefact]]",
    ],
}
GOOD_ARTIFACTS = [
    "Dear Ms Ito,\n\nI'm sorry, but I can't come on Friday.\n\nTom",
    "My grandmother never learned to read. She kept the letters all the same.",
    "10:32 [ERROR] disk full",
    "I can't provide for my family, he said.",
    "Please provide the invoices by Friday.",
    "Here is what I learned on the farm: patience.",
]
FAULTY_ARTIFACTS = {
    "refusal": [
        "I'm sorry, but I can't provide the essay.",
        "I cannot create this email.",
        "Unfortunately, I am unable to write the review, since it would mislead people.",
        "I can’t help with that.",
        "I'm unable to provide the contract.",
        "I do not have access to the essay.",
        "I'm sorry, but I cannot share the essay as it isn't available.",
        "I won't be able to provide the full text due to copyright.",
        "Please provide more details about the essay.",
        "Could you share the essay that you would like me to use?",
        "It seems that you haven't provided the text.",
        "I need more information to write this.",
        "There is no essay to provide.",
        "Es tut mir leid, aber ich kann diesen Aufsatz nicht schreiben.",
        "Désolé, je ne peux pas rédiger ce texte.",
        "对不起，我不能提供这篇文章。",
        "申し訳ありませんが、その文章は書けません。",
    ],
    "assistant": [
        "Sure! Here's the email:\n\nDear Ms Ito,",
        "Here is the essay you asked for:\n\nMy grandmother …",
        "Certainly, I have written it.",
        "Dear Ms Ito, …\n\nFeel free to adjust it to your needs.",
    ],
    "description": ["The artifact would be an essay on honesty.", "The essay is about honesty and how it matters."],
    "placeholder": [
        "Dear Ms Ito,\n\nI resign.\n\n[Your Name]",
        "N/A",
        "(the essay)",
        "Essay goes here, as agreed.",
        "Lorem ipsum dolor sit amet",
    ],
    "tag": ["Dear Ms Ito, [[artifact]]"],
}


@pytest.mark.parametrize("text", GOOD_MESSAGES)
def test_a_message_of_a_user_has_no_fault(text):
    assert find_message_fault(text) is None


@pytest.mark.parametrize(
    ("fault", "text"), [(fault, text) for fault in FAULTY_MESSAGES for text in FAULTY_MESSAGES[fault]]
)
def test_what_is_no_message_of_a_user_is_told_by_kind(fault, text):
    assert find_message_fault(text) == fault


@pytest.mark.parametrize("text", GOOD_ARTIFACTS)
def test_an_artifact_has_no_fault(text):
    assert find_artifact_fault(text) is None


@pytest.mark.parametrize(
    ("fault", "text"), [(fault, text) for fault in FAULTY_ARTIFACTS for text in FAULTY_ARTIFACTS[fault]]
)
def test_what_is_no_artifact_is_told_by_kind(fault, text):
    assert find_artifact_fault(text) == fault


def test_every_kind_has_its_words_and_its_place_in_the_table():
    assert set(FAULT_WORDS) == set(FAULTS) == set(FAULTY_MESSAGES)


@pytest.mark.parametrize(
    "piece", ["[a]", "[", "```", "sorry ", "\n", "\nthanks", "[ERROR] ", "Dear X ", "<your ", "[[artifact "]
)
def test_a_text_twice_as_long_takes_at_most_twice_the_steps(piece, count_lines):
    for find in (find_message_fault, find_artifact_fault):
        short, long = (count_lines(message_faults, find, piece * count) for count in (1000, 2000))
        assert long <= 2.1 * short + 100
