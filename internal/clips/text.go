package clips

// What people write and own. Some of it holds personal data, as free text does
// everywhere: a mask for free text has something to hide here.

var hobbies = [...]string{
	"open-water swimming", "sourdough", "night trains", "film cameras", "bouldering", "street food", "analogue synths", "old bicycles",
	"vegetable gardens", "stand-up", "thrift finds", "birds of the coast", "chess in the park", "five-a-side", "knitting", "lo-fi beats",
}

var bios = [...]string{
	"All about %h.", "%h, mostly. Opinions mine.", "Here for %h and the occasional cat.", "Learning %h in public.", "%h since forever ✨",
	"Based in %c. %h.", "Student in %c, %h on weekends.", "Work requests: %e", "%h. Bookings: %e", "Parent of two, %h when they sleep.",
}

var titles = [...]string{
	"%h for beginners", "A day of %h in %c", "Why I quit %h", "%h: what nobody tells you", "My first month of %h", "%c on a rainy Sunday",
	"Ten minutes of %h", "I tried %h so you don't have to", "The best of %h in %c", "Answering your questions on %h",
}

var descriptions = [...]string{
	"Filmed near my flat in %c.", "Thanks to everyone who came along.", "More on Thursday.", "Music is my own.", "Write to %e if you were there!",
	"No sponsor, just %h.", "Second part is up.", "Sound on 🔊",
}

var messageBodies = [...]string{
	"Loved your last clip!", "Are you coming to %c next week?", "My number changed: %p", "Can you send me the original file?", "Happy birthday!! 🎉",
	"Let's meet at the station at seven.", "Please don't share this with anyone.", "You can reach me at %e", "How did the doctor's appointment go?",
	"That comment was out of line, please delete it.", "We moved, the new address is %a", "Lol", "Did you vote already?", "I'd rather not talk about it here.",
	"Do you still sell the lens?", "Thank you for listening yesterday.",
}

var streets = [...]string{
	"Station Road", "Mill Lane", "Harbour Street", "Church Square", "Linden Avenue", "Market Street", "Garden Row", "Bridge Street",
	"School Lane", "River Walk", "Orchard Close", "Castle Hill", "Tower Street", "Canal Side", "Meadow Way", "Old Post Road",
}

var mailDomains = [...]string{"mail.example", "inbox.example", "posta.example", "letterbox.example", "kurier.example"}

type model struct{ platform, name string }

var models = [...]model{
	{"android", "Larch 7"}, {"android", "Larch 8 Pro"}, {"android", "Korva A15"}, {"android", "Korva A54"}, {"android", "Nimbus 12"}, {"android", "Nimbus 13T"},
	{"ios", "Pome 12"}, {"ios", "Pome 13 mini"}, {"ios", "Pome 14"}, {"ios", "Pome 15 Plus"}, {"ios", "Pome Slate 10"}, {"web", "Browser on desktop"},
}
