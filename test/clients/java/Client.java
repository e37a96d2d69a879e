import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import org.postgresql.PGConnection;
import org.postgresql.core.Field;
import org.postgresql.jdbc.PgResultSetMetaData;
import org.postgresql.util.PSQLException;

/** pgjdbc through the gate. Run as a single source file, with the driver on the class path. */
public class Client {
	interface Capability {
		Object run() throws Exception;
	}

	static class Cannot extends Exception {
		Cannot(String why) {
			super(why);
		}
	}

	static final BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
	static Json brief, sql;
	static Connection connection;

	public static void main(String[] args) throws Exception {
		brief = new Json(in.readLine());
		sql = brief.at("sql");
		connection = connect("bulk", Map.of());
		Map<String, Capability> all = new LinkedHashMap<>();
		all.put("queries", Client::queries);
		all.put("parameters", Client::parameters);
		all.put("transactions", Client::transactions);
		all.put("copy out", () -> copy(""));
		all.put("binary copy", () -> copy(" (FORMAT binary)"));
		all.put("cancel", Client::cancel);
		all.put("pipelining", () -> { throw new Cannot("its batches take no queries"); });
		all.put("binary results", Client::binary);
		all.put("prepared statements", Client::prepared);
		all.put("large result by parts", Client::large);
		all.put("verify-full", Client::verifyFull);
		all.put("channel binding", Client::binding);
		all.put("errors", Client::errors);
		all.put("SQLSTATE of a refused login", Client::refusedLogin);
		all.put("end of the grant", Client::ending);
		all.put("metadata", Client::metadata);
		for (Map.Entry<String, Capability> c : all.entrySet()) {
			Map<String, Object> line = new LinkedHashMap<>();
			line.put("capability", c.getKey());
			try {
				line.put("got", c.getValue().run());
			} catch (Cannot e) {
				line.put("cannot", e.getMessage());
			} catch (Exception e) {
				line.put("error", e + " at " + e.getStackTrace()[0]);
			}
			say(line);
		}
	}

	static void say(Object what) {
		System.out.println(Json.write(what));
	}

	/** Comes back when the test has seen what the client waits for. */
	static void await(String what) throws Exception {
		say(Map.of("await", what));
		in.readLine();
	}

	static Connection connect(String login, Map<String, String> more) throws SQLException {
		Properties p = new Properties();
		p.put("user", brief.at(login).text("user"));
		p.put("password", brief.at(login).text("password"));
		p.put("sslmode", "verify-full");
		p.put("sslrootcert", brief.text("ca"));
		p.putAll(more);
		String host = (String) p.getOrDefault("host", brief.text("host"));
		p.remove("host");
		return DriverManager.getConnection("jdbc:postgresql://" + host + ":" + brief.text("port") + "/" + brief.text("database"), p);
	}

	static List<List<String>> rows(ResultSet r) throws SQLException {
		List<List<String>> all = new ArrayList<>();
		while (r.next()) {
			List<String> row = new ArrayList<>();
			for (int i = 1; i <= r.getMetaData().getColumnCount(); i++) {
				row.add(r.getString(i));
			}
			all.add(row);
		}
		return all;
	}

	static List<List<String>> fetch(Connection c, String text) throws SQLException {
		try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(text)) {
			return rows(r);
		}
	}

	static String count(Connection c) throws SQLException {
		return fetch(c, sql.text("count")).get(0).get(0);
	}

	/** The SQLSTATE a statement fails with. */
	static String state(Connection c, String text) {
		try (Statement s = c.createStatement()) {
			s.execute(text);
			return "no error";
		} catch (SQLException e) {
			return e.getSQLState();
		}
	}

	static Map<String, Object> map(Object... pairs) {
		Map<String, Object> m = new LinkedHashMap<>();
		for (int i = 0; i < pairs.length; i += 2) {
			m.put((String) pairs[i], pairs[i + 1]);
		}
		return m;
	}

	static Object queries() throws Exception {
		try (Connection other = connect("case", Map.of())) {
			return map("bulk", fetch(connection, sql.text("people")), "case", fetch(other, sql.text("export")));
		}
	}

	static Object parameters() throws Exception {
		try (PreparedStatement s = connection.prepareStatement(sql.text("where").replace("{}", "?"))) {
			s.setString(1, "IE");
			return map("IE", rows(s.executeQuery()).get(0).get(0));
		}
	}

	static Object transactions() throws Exception {
		Map<String, Object> got = new LinkedHashMap<>();
		connection.setAutoCommit(false);
		try {
			got.put("committed", count(connection));
			connection.commit();
			got.put("failed", state(connection, "SELECT 1 / (SELECT 0)"));
			got.put("aborted", state(connection, sql.text("count")));
			connection.rollback();
			got.put("rolled back", count(connection));
			java.sql.Savepoint s = connection.setSavepoint();
			state(connection, "SELECT 1 / (SELECT 0)");
			connection.rollback(s);
			got.put("savepoint", count(connection));
			got.put("refused", state(connection, "EXPLAIN SELECT 1"));
			got.put("still aborted", state(connection, sql.text("count")));
			connection.rollback();
			got.put("after", count(connection));
			connection.commit();
		} finally {
			connection.setAutoCommit(true);
		}
		return got;
	}

	static Object copy(String options) throws Exception {
		ByteArrayOutputStream out = new ByteArrayOutputStream();
		connection.unwrap(PGConnection.class).getCopyAPI().copyOut("COPY (" + sql.text("export") + ") TO STDOUT" + options, out);
		byte[] sum = MessageDigest.getInstance("SHA-256").digest(out.toByteArray());
		return map("sha256", String.format("%064x", new BigInteger(1, sum)));
	}

	static Object cancel() throws Exception {
		try (Statement s = connection.createStatement()) {
			CompletableFuture<String> failed = CompletableFuture.supplyAsync(() -> {
				try {
					s.execute("SELECT pg_sleep(60) /* cancel-jdbc */");
					return "no error";
				} catch (SQLException e) {
					return e.getSQLState();
				}
			});
			await("sleep cancel-jdbc");
			s.cancel();
			return map("cancelled", failed.get(), "after", count(connection));
		}
	}

	/** The driver asks for binary values once a statement is prepared on the server. */
	static Object binary() throws Exception {
		try (PreparedStatement s = connection.prepareStatement(sql.text("values"))) {
			for (int i = 0; ; i++) {
				try (ResultSet r = s.executeQuery()) {
					int format = ((PgResultSetMetaData) r.getMetaData()).getFormat(1);
					if (format != Field.BINARY_FORMAT && i < 10) {
						continue;
					}
					r.next();
					return map("format", format == Field.BINARY_FORMAT ? "binary" : "text",
						"values", List.of(String.valueOf(r.getLong(1)), String.valueOf(r.getInt(2)), String.valueOf(Math.round(r.getDouble(3) * 1000)),
							String.valueOf(Math.floorDiv(r.getTimestamp(4).getTime(), 1000L)), r.getString(5), String.valueOf(r.getBoolean(6))));
				}
			}
		}
	}

	/** Twelve times: past prepareThreshold, which is five. */
	static Object prepared() throws Exception {
		List<String> countries = new ArrayList<>();
		try (PreparedStatement s = connection.prepareStatement(sql.text("country").replace("{}", "?"))) {
			for (int i = 0; i < 4; i++) {
				for (String id : brief.texts("ids")) {
					s.setLong(1, Long.parseLong(id));
					countries.add(rows(s.executeQuery()).get(0).get(0));
				}
			}
			return map("countries", countries, "on the server", fetch(connection, sql.text("prepared")).get(0).get(0).equals("t"));
		}
	}

	static Object large() throws Exception {
		connection.setAutoCommit(false); // the driver reads by parts in a transaction only
		try (Statement s = connection.createStatement()) {
			s.setFetchSize(10000);
			long n = 0, sum = 0;
			String country = "";
			try (ResultSet r = s.executeQuery(sql.text("large"))) {
				while (r.next()) {
					n++;
					sum += r.getLong(1);
					country = r.getString(2);
				}
			}
			connection.commit();
			return map("rows", String.valueOf(n), "sum", String.valueOf(sum), "country", country);
		} finally {
			connection.setAutoCommit(true);
		}
	}

	static String refused(Map<String, String> more) {
		try (Connection c = connect("bulk", more)) {
			return "connected";
		} catch (SQLException e) {
			String why = e + " " + e.getCause();
			return why.contains("SSLHandshakeException") || why.contains("could not be verified") ? "refused" : why;
		}
	}

	static Object verifyFull() throws Exception {
		return map("gate", count(connection), "another authority", refused(Map.of("sslrootcert", brief.text("other_ca"))),
			"another name", refused(Map.of("host", brief.text("other_name"))));
	}

	static Object binding() throws Exception {
		try (Connection c = connect("bulk", Map.of("channelBinding", "require"))) {
			for (java.sql.DriverPropertyInfo p : new org.postgresql.Driver().getPropertyInfo("jdbc:postgresql://h/d", new Properties())) {
				if (p.name.equals("channelBinding")) {
					return map("required", count(c));
				}
			}
			throw new Cannot("pgjdbc before 42.7.4 cannot; Debian 12 has 42.5.5");
		}
	}

	static Object errors() throws Exception {
		List<String> states = new ArrayList<>();
		for (String text : sql.texts("errors")) {
			states.add(state(connection, text));
		}
		String hint = null;
		try (Statement s = connection.createStatement()) {
			s.execute(sql.text("outside"));
		} catch (PSQLException e) {
			hint = e.getServerErrorMessage().getHint();
		}
		String said = "leave the schema out";
		return map("sqlstates", states, "hint", hint != null && hint.contains(said) ? said : hint, "after", count(connection));
	}

	static Object refusedLogin() {
		try (Connection c = connect("bulk", Map.of("password", "wrong"))) {
			return map("sqlstate", "none");
		} catch (SQLException e) {
			return map("sqlstate", e.getSQLState());
		}
	}

	static Object ending() throws Exception {
		try (Connection c = connect("ending", Map.of())) {
			CompletableFuture<String> failed = CompletableFuture.supplyAsync(() -> state(c, "SELECT pg_sleep(60) /* end-jdbc */"));
			await("sleep end-jdbc");
			await("revoke jdbc");
			return map("sqlstate", failed.get());
		}
	}

	/** What desktop tools call; the views and the columns of users are compared. */
	static Object metadata() throws Exception {
		DatabaseMetaData m = connection.getMetaData();
		String schema = connection.getSchema();
		for (ResultSet r : List.of(m.getCatalogs(), m.getSchemas(), m.getTableTypes(), m.getTypeInfo(), m.getPrimaryKeys(null, schema, "users"),
				m.getImportedKeys(null, schema, "users"), m.getExportedKeys(null, schema, "users"), m.getCrossReference(null, schema, "users", null, schema, "orders"),
				m.getIndexInfo(null, schema, "users", false, true), m.getBestRowIdentifier(null, schema, "users", DatabaseMetaData.bestRowSession, true),
				m.getVersionColumns(null, schema, "users"), m.getTablePrivileges(null, schema, "%"), m.getColumnPrivileges(null, schema, "users", "%"),
				m.getProcedures(null, schema, "%"), m.getProcedureColumns(null, schema, "%", "%"), m.getFunctions(null, "pg_catalog", "a%"),
				m.getFunctionColumns(null, "pg_catalog", "abs", "%"), m.getUDTs(null, schema, "%", null), m.getClientInfoProperties())) {
			rows(r);
			r.close();
		}
		if (m.getSQLKeywords().isEmpty() || m.getStringFunctions().isEmpty() || m.getMaxColumnNameLength() != 63) {
			throw new IllegalStateException("keywords, functions or the length of names are missing");
		}
		List<String> views = new ArrayList<>(), columns = new ArrayList<>();
		try (ResultSet r = m.getTables(null, schema, "%", new String[] {"TABLE", "VIEW"})) {
			while (r.next()) {
				views.add(r.getString("TABLE_NAME"));
			}
		}
		try (ResultSet r = m.getColumns(null, schema, "users", "%")) {
			while (r.next()) {
				columns.add(r.getString("COLUMN_NAME"));
			}
		}
		return map("views", views, "columns", columns);
	}
}

/** As much JSON as the brief and the report need. */
class Json {
	private final Object value;
	private String text;
	private int i;

	Json(String text) {
		this.text = text;
		value = read();
	}

	private Json(Object value) {
		this.value = value;
	}

	Json at(String key) {
		return new Json(((Map<?, ?>) value).get(key));
	}

	String text(String key) {
		return ((Map<?, ?>) value).get(key).toString();
	}

	List<String> texts(String key) {
		List<String> all = new ArrayList<>();
		for (Object o : (List<?>) ((Map<?, ?>) value).get(key)) {
			all.add(o.toString());
		}
		return all;
	}

	private Object read() {
		switch (text.charAt(i)) {
			case '{': {
				Map<String, Object> m = new LinkedHashMap<>();
				for (i++; text.charAt(i) != '}'; ) {
					String key = string();
					i++; // the colon
					m.put(key, read());
					if (text.charAt(i) == ',') {
						i++;
					}
				}
				i++;
				return m;
			}
			case '[': {
				List<Object> l = new ArrayList<>();
				for (i++; text.charAt(i) != ']'; ) {
					l.add(read());
					if (text.charAt(i) == ',') {
						i++;
					}
				}
				i++;
				return l;
			}
			case '"':
				return string();
			default: {
				int from = i;
				while (",]}".indexOf(text.charAt(i)) < 0) {
					i++;
				}
				return text.substring(from, i);
			}
		}
	}

	private String string() {
		StringBuilder b = new StringBuilder();
		for (i++; text.charAt(i) != '"'; i++) {
			char c = text.charAt(i);
			if (c == '\\') {
				c = text.charAt(++i);
				if (c == 'u') {
					c = (char) Integer.parseInt(text.substring(i + 1, i + 5), 16);
					i += 4;
				} else if (c == 'n') {
					c = '\n';
				} else if (c == 't') {
					c = '\t';
				}
			}
			b.append(c);
		}
		i++;
		return b.toString();
	}

	static String write(Object o) {
		if (o instanceof Map) {
			StringBuilder b = new StringBuilder("{");
			for (Map.Entry<?, ?> e : ((Map<?, ?>) o).entrySet()) {
				b.append(b.length() > 1 ? "," : "").append(write(e.getKey())).append(':').append(write(e.getValue()));
			}
			return b.append('}').toString();
		}
		if (o instanceof List) {
			StringBuilder b = new StringBuilder("[");
			for (Object e : (List<?>) o) {
				b.append(b.length() > 1 ? "," : "").append(write(e));
			}
			return b.append(']').toString();
		}
		if (o == null || o instanceof Boolean) {
			return String.valueOf(o);
		}
		StringBuilder b = new StringBuilder("\"");
		for (char c : o.toString().toCharArray()) {
			if (c < ' ' || c == '"' || c == '\\' || c > '~') {
				b.append(String.format("\\u%04x", (int) c));
			} else {
				b.append(c);
			}
		}
		return b.append('"').toString();
	}
}
