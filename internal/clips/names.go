package clips

import "strings"

// region says whose names the people of a country bear.
type region uint8

const (
	african region = iota
	arabic
	baltic
	bulgarian
	chinese
	czech
	dutch
	english
	finnish
	french
	german
	greek
	hebrew
	hispanic
	hungarian
	indian
	indonesian
	irish
	italian
	japanese
	korean
	nordic
	polish
	portuguese
	romanian
	southSlavic
	thai
	turkish
	ukrainian
	vietnamese
)

type names struct{ given, family []string }

func list(s string) []string { return strings.Fields(s) }

// namesOf is indexed by region. Scripts other than Latin are transliterated.
var namesOf = [...]names{
	african:     {list("Chidi Wanjiru Thabo Amara Kwame Zanele Emeka Akinyi Sipho Ngozi Juma Lerato Tunde Achieng Bongani Ifeoma"), list("Okafor Mwangi Nkosi Adeyemi Otieno Dlamini Eze Kamau Mokoena Balogun Njoroge Khumalo Obi Wafula Ndlovu Bello")},
	arabic:      {list("Amina Youssef Fatima Omar Layla Karim Nour Hassan Salma Tarek Yasmin Khalid Mariam Bilal Huda Samir"), list("Haddad Mansour Alaoui Farouk Nasser Bennani Saleh Idrissi Khoury Tazi Hamdan Sharif Berrada Zaki Qasim Rahman")},
	baltic:      {list("Liis Jonas Ieva Mārtiņš Kadri Tomas Anna Andris Eglė Rasmus Līga Mantas Katrin Jānis Rūta Priit"), list("Tamm Kazlauskas Bērziņš Saar Petrauskas Kalniņš Mägi Jankauskas Ozoliņš Kask Balčiūnas Liepiņš Rebane Žukauskas Krūmiņš Ilves")},
	bulgarian:   {list("Ivan Maria Georgi Elena Dimitar Desislava Nikolay Radka Stoyan Vesela Petar Yana Hristo Kalina Boris Milena"), list("Ivanov Georgiev Dimitrov Petrov Nikolov Hristov Stoyanov Todorov Iliev Vasilev Angelov Kolev Marinov Popov Yordanov Kostov")},
	chinese:     {list("Wei Mei Jun Hui Xin Ling Kai Jia Yong Shu Ming Li Boon Siew Hao Yi"), list("Tan Lim Lee Ng Ong Wong Goh Chua Chan Koh Teo Ang Yeo Tay Ho Low")},
	czech:       {list("Jan Tereza Petr Lucie Tomáš Zuzana Martin Kateřina Jakub Veronika Ondřej Hana Marek Eliška Michal Barbora"), list("Novák Svoboda Dvořák Černý Procházka Kučera Veselý Horák Němec Pokorný Kováč Horváth Varga Tóth Baláž Šimko")},
	dutch:       {list("Daan Emma Sem Lotte Bram Sanne Lars Femke Thijs Anouk Jasper Eline Ruben Maud Wouter Noor"), list("Jansen Bakker Visser Smit Meijer Mulder Peeters Maes Jacobs Willems Claes Dekker Brouwer Hendriks Vermeer Bosman")},
	english:     {list("Oliver Amelia Jack Isla Harry Grace Noah Ruby Ethan Chloe Liam Zoe Mason Hannah Leo Alice"), list("Harper Bennett Clarke Whitfield Morgan Hughes Foster Reid Sutton Palmer Ellis Barker Walsh Coleman Hayes Marsh")},
	finnish:     {list("Aino Eero Helmi Onni Sanna Mikko Kaisa Juha Venla Antti Tiina Ville Noora Pekka Iida Timo"), list("Korhonen Virtanen Mäkinen Nieminen Mäkelä Hämäläinen Laine Heikkinen Koskinen Järvinen Lehtonen Salonen Niemi Rantanen Turunen Karjalainen")},
	french:      {list("Camille Lucas Léa Hugo Manon Théo Chloé Jules Inès Louis Élodie Antoine Zoé Rémi Margaux Étienne"), list("Moreau Lefèvre Girard Bonnet Dupuis Lambert Fontaine Rousseau Chevalier Gauthier Perrin Marchand Renaud Lemaire Noël Brun")},
	german:      {list("Lukas Anna Jonas Lena Felix Marie Paul Sophie Moritz Clara Jakob Greta Florian Katharina Tobias Jürgen"), list("Müller Schneider Fischer Weber Becker Hofmann Koch Bauer Richter Wolf Schröder Neumann Huber Steiner Gruber Keller")},
	greek:       {list("Giorgos Maria Dimitris Eleni Nikos Katerina Kostas Sofia Yannis Despina Andreas Ioanna Panos Christina Stavros Anthi"), list("Papadopoulos Georgiou Nikolaidis Ioannou Pappas Vlachos Economou Karagiannis Makris Andreou Christodoulou Samaras Kyriakou Zervas Manolis Petrou")},
	hebrew:      {list("Noam Tamar Itai Maya Yonatan Shira Ariel Noa Eitan Yael Omer Adi Daniel Michal Ido Roni"), list("Cohen Levi Mizrahi Peretz Biton Dahan Avraham Friedman Malka Azoulay Katz Yosef David Amar Ohayon Hadad")},
	hispanic:    {list("Sofía Mateo Lucía Diego Valentina Javier Camila Andrés Paula Álvaro Martina Joaquín Elena Sergio Ximena Iñigo"), list("García Rodríguez Fernández López Martínez Sánchez Romero Navarro Torres Domínguez Vargas Castillo Herrera Medina Núñez Rojas")},
	hungarian:   {list("Bence Anna Máté Zsófia Levente Luca Dávid Réka Ádám Eszter Balázs Dóra Gergő Nóra Tamás Kinga"), list("Nagy Kovács Szabó Horváth Varga Kiss Molnár Németh Farkas Balogh Papp Takács Juhász Lakatos Mészáros Oláh")},
	indian:      {list("Aarav Priya Rohan Ananya Vikram Kavya Arjun Meera Rahul Ishita Siddharth Nisha Karan Divya Aditya Pooja"), list("Sharma Patel Iyer Reddy Gupta Nair Singh Desai Mehta Rao Joshi Banerjee Kulkarni Verma Menon Chopra")},
	indonesian:  {list("Budi Siti Agus Dewi Rizky Putri Ahmad Nurul Dimas Ayu Farid Aisyah Hendra Intan Hafiz Maya"), list("Santoso Wijaya Hidayat Lestari Pratama Saputra Nugroho Rahmawati Ismail Abdullah Setiawan Kusuma Hamzah Osman Gunawan Permata")},
	irish:       {list("Aoife Cian Saoirse Oisín Niamh Conor Caoimhe Darragh Róisín Fionn Clodagh Eoin Sinéad Tadhg Orla Pádraig"), list("Brennan Murphy Kelly Byrne Doyle Gallagher Kavanagh Quinn Nolan Flanagan Keane Hennessy Moran Sheridan Tierney Foley")},
	italian:     {list("Giulia Marco Chiara Luca Francesca Matteo Sara Davide Elisa Andrea Martina Lorenzo Ilaria Nicolò Bianca Pietro"), list("Rossi Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Conti Gallo Vella Camilleri Borg Farrugia Zammit")},
	japanese:    {list("Haruto Yui Sota Hina Ren Aoi Yuto Sakura Daiki Mio Kenta Rin Takumi Nanami Hiroshi Emi"), list("Sato Suzuki Takahashi Tanaka Watanabe Ito Yamamoto Nakamura Kobayashi Kato Yoshida Yamada Sasaki Matsumoto Inoue Kimura")},
	korean:      {list("Minjun Seoyeon Jiho Jiwoo Hyunwoo Soyeon Donghyun Yuna Seungmin Hayoon Taeyang Eunji Jaewon Minji Sungho Nari"), list("Kim Park Choi Jung Kang Cho Yoon Jang Lim Han Oh Seo Shin Kwon Hwang Ahn")},
	nordic:      {list("Sigrid Erik Freja Lars Ingrid Søren Astrid Magnus Linnéa Håkon Elin Bjørn Maja Åse Nils Kari"), list("Hansen Johansson Nielsen Berg Lindqvist Dahl Sørensen Nygård Holm Strand Eriksson Haugen Lund Bakke Öberg Vik")},
	polish:      {list("Zofia Jakub Hanna Kacper Maja Mateusz Agnieszka Paweł Łucja Tomasz Katarzyna Michał Oliwia Wojciech Małgorzata Piotr"), list("Nowak Kowalczyk Wiśnia Wójcik Kamiński Lewandowski Zieliński Szymański Woźniak Dąbrowski Kozłowski Mazur Krawczyk Górski Pawlak Sikora")},
	portuguese:  {list("João Maria Tiago Beatriz Rafael Inês Pedro Mariana Gonçalo Ana Bruno Letícia Caio Larissa Duarte Joana"), list("Silva Santos Ferreira Pereira Oliveira Costa Rodrigues Almeida Carvalho Ribeiro Gomes Lopes Araújo Teixeira Moreira Barbosa")},
	romanian:    {list("Andrei Ioana Alexandru Maria Mihai Elena Ștefan Andreea Radu Cristina Vlad Bianca Ionuț Raluca Cătălin Oana"), list("Popescu Ionescu Popa Radu Dumitru Stan Stoica Gheorghe Matei Ciobanu Rusu Munteanu Moldovan Lazăr Enache Țurcanu")},
	southSlavic: {list("Luka Ana Ivan Petra Marko Maja Matej Nina Filip Ivana Žiga Lucija Josip Eva Jure Mateja"), list("Horvat Kovačević Babić Novak Krajnc Marić Jurić Zupančič Knežević Potočnik Vuković Mlakar Perić Kos Božić Golob")},
	thai:        {list("Somchai Malee Anan Siriporn Kittisak Ploy Niran Suda Chai Kanya Arthit Lamai Prasert Wanida Decha Araya"), list("Suwan Chaiyasit Wongsa Srisai Boonmee Thongchai Rattana Phumipat Saetang Inthara Kaewmanee Jaidee Prasong Sombat Yodmani Charoen")},
	turkish:     {list("Elif Mehmet Zeynep Emre Ayşe Can Defne Burak Selin Mert İpek Kerem Gül Ozan Çağla Deniz"), list("Yılmaz Kaya Demir Çelik Şahin Yıldız Öztürk Aydın Arslan Doğan Kılıç Aslan Koç Kurt Özkan Şimşek")},
	ukrainian:   {list("Oksana Taras Olena Andriy Iryna Bohdan Solomiya Mykola Kateryna Dmytro Yuliya Ostap Nadiya Roman Daryna Pavlo"), list("Shevchenko Kovalenko Bondarenko Tkachenko Kravchenko Oliynyk Shevchuk Koval Polishchuk Bondar Moroz Marchenko Lysenko Rudenko Savchenko Petrenko")},
	vietnamese:  {list("Minh Lan Tuấn Hương Nam Mai Đức Linh Quang Thảo Huy Ngọc Long Trang Khánh Vy"), list("Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý")},
}

// ascii replaces the letters of namesOf that a handle or a mail address cannot
// hold; what is not listed and not ASCII is dropped.
var ascii = strings.NewReplacer(strings.Fields(`
	á a à a â a ã a ä a å a ā a ă a ą a ả a ạ a ấ a ầ a ậ a ắ a ặ a æ ae ç c ć c č c ď d đ d ð d
	é e è e ê e ë e ē e ė e ę e ě e ế e ề e ễ e ệ e ğ g ģ g í i ì i î i ï i ī i į i ı i i̇ i ị i ķ k ļ l ł l ľ l
	ñ n ń n ņ n ň n ó o ò o ô o õ o ö o ø o ő o ơ o ọ o ỗ o ồ o ộ o ớ o ờ o ř r ś s š s ş s ș s ß ss
	ť t ț t þ th ú u ù u û u ü u ū u ů u ű u ų u ư u ừ u ữ u ự u ý y ỳ y ỹ y ź z ž z ż z ũ u
	ằ a ẵ a ỵ y ụ u ủ u ứ u ử u ẽ e ẻ e ẹ e ỉ i ĩ i ỏ o ố o ổ o ợ o ở o ỡ o`)...)

// fold gives a name in lower-case ASCII letters.
func fold(s string) string {
	s = ascii.Replace(strings.ToLower(s))
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, s)
}
