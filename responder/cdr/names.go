package cdr

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// names are the names that a column has in the headers of exports, as plainName writes
// them: those of Asterisk's own tables, of FreePBX, Issabel and VitalPBX, in the languages
// of these.
var names = map[string]column{}

func init() {
	for c, list := range map[column]string{
		start: "start calldate date datetime startdate starttime timestamp " +
			"datum anrufdatum rufdatum beginn startzeit datumzeit " +
			"fecha fechallamada fechayhora fechahora inicio " +
			"datedelappel dateappel dateheure debut " +
			"data datachiamata dataora inizio " +
			"datahora datadachamada " +
			"дата датазвонка датавремя датаивремя начало " +
			"datumentijd gespreksdatum oproepdatum begin",
		clockTime: "time calltime uhrzeit zeit hora heure ora время tijd",
		answer:    "answer answertime answered antwortzeit respuesta reponse risposta resposta ответ antwoord",
		end:       "end endtime enddate ende endzeit fin fine fim конец einde",
		source: "src source from caller callernumber sourcenumber cidnum num " +
			"quelle anrufer von rufnummer " +
			"fuente origen numeroorigen llamante " +
			"origine appelant " +
			"sorgente chiamante " +
			"origem chamador " +
			"откого источник ктозвонил звонящий " +
			"bron beller van",
		dialled: "dst destination to callee dialednumber dialled destinationnumber called " +
			"ziel zielrufnummer bestimmungsort angerufener " +
			"destino numerodestino llamado " +
			"appele destinataire " +
			"destinazione chiamato " +
			"chamado " +
			"кому назначение куда кудазвонил набранныйномер " +
			"bestemming gebeldnummer",
		context: "dcontext context destinationcontext kontext contexto contexte contesto контекст",
		channel: "channel srcchannel sourcechannel channame callerchannel " +
			"kanal ursprungskanal quellkanal " +
			"canal canalorigen canaldeorigen " +
			"canalsrc canalsource " +
			"canale canalesrc canalesorgente " +
			"canalorigem canaldeorigem " +
			"канал каналисточник исходныйканал " +
			"kanaalbron kanaal bronkanaal",
		outChannel: "dstchannel destchannel destinationchannel zielkanal canaldestino canaldedestino canaldst canaldestination " +
			"canaledst canaledestinazione каналприемник каналназначения целевойканал bestemmingskanaal doelkanaal",
		data: "lastdata appdata lastapplicationdata letztedaten ultimosdatos donnees dati dados данные gegevens",
		duration: "duration totalduration callduration totaltime " +
			"dauer anrufdauer gesprachsdauer " +
			"duracion duree durata dutata duracao " +
			"длительность продолжительность " +
			"duur gespreksduur",
		billed: "billsec billableseconds billsecs billing billable talktime billedseconds conversationtime " +
			"gesprachszeit abgerechnetesekunden segundosfacturados tiempofacturado tempsfacture secondifatturati segundosfaturados " +
			"времяразговора оплачиваемыесекунды gesprekstijd factureerbareseconden",
		disposition: "disposition status callstatus calldisposition state result " +
			"zustand ergebnis estado disposicion statut etatdelappel etat stato esito situacao статус статусзвонка resultaat",
		accountCode: "accountcode acctcode account kontocode konto codigodecuenta codigocuenta cuenta centredecouts ndecompte compte " +
			"codiceaccount conta numerodaconta protocolo кодавторизации кодучетки учетка accountnummer",
		uniqueid: "uniqueid uniquecallid einmaligeid identifiantunique unicoid callid идентификатор уникальныйидентификатор uniekeid",
		// Those of a log of channel events.
		celType: "eventtype eventname", celTime: "eventtime", celApp: "appname", linkedid: "linkedid", celExten: "exten",
	} {
		for name := range strings.FieldsSeq(list) {
			names[name] = c
		}
	}
}

// plain replaces the accents that appear in names.
var plain = strings.NewReplacer("á", "a", "à", "a", "â", "a", "ã", "a", "ä", "a", "é", "e", "è", "e", "ê", "e", "ë", "e", "í", "i", "î", "i", "ï", "i",
	"ó", "o", "ô", "o", "õ", "o", "ö", "o", "ú", "u", "û", "u", "ü", "u", "ç", "c", "ñ", "n", "ё", "е", "ß", "ss")

// plainName is a name in lower case, without accents and all that is neither letter nor digit.
func plainName(field string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, plain.Replace(strings.ToLower(field)))
}

// columnOf finds the column that a header's field names. Its text may be in the code pages
// that Windows uses for these languages.
func columnOf(field []byte) (c column, ok bool) {
	field = bytes.Trim(field, " \t\r\"'`")
	if utf8.Valid(field) {
		c, ok = names[plainName(string(field))]
		return c, ok
	}
	for _, page := range []*charmap.Charmap{charmap.Windows1252, charmap.Windows1251, charmap.KOI8R} {
		if text, err := page.NewDecoder().Bytes(field); err == nil {
			if c, ok = names[plainName(string(text))]; ok {
				return c, true
			}
		}
	}
	return c, false
}
