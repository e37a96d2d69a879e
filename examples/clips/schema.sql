-- The tables of clips, a fictional short-video platform.
CREATE TABLE public.countries (
	code text NOT NULL,
	name text NOT NULL
);
CREATE TABLE public.users (
	id bigint NOT NULL,
	handle text NOT NULL,
	full_name text NOT NULL,
	email text NOT NULL,
	phone text,
	born date NOT NULL,
	country text NOT NULL,
	bio text,
	created_at timestamptz NOT NULL
);
CREATE TABLE public.devices (
	id bigint NOT NULL,
	user_id bigint NOT NULL,
	platform text NOT NULL,
	model text NOT NULL,
	advertising_id uuid,
	last_ip inet NOT NULL,
	created_at timestamptz NOT NULL
);
CREATE TABLE public.signins (
	id bigint NOT NULL,
	user_id bigint NOT NULL,
	device_id bigint NOT NULL,
	at timestamptz NOT NULL,
	ip inet NOT NULL,
	lat double precision,
	lon double precision,
	ok boolean NOT NULL
);
CREATE TABLE public.videos (
	id bigint NOT NULL,
	user_id bigint NOT NULL,
	title text NOT NULL,
	description text,
	uploaded_at timestamptz NOT NULL,
	lat double precision,
	lon double precision,
	seconds integer NOT NULL
);
CREATE TABLE public.views (
	id bigint NOT NULL,
	user_id bigint NOT NULL,
	video_id bigint NOT NULL,
	at timestamptz NOT NULL,
	watched_ms integer NOT NULL
);
CREATE TABLE public.messages (
	id bigint NOT NULL,
	sender_id bigint NOT NULL,
	recipient_id bigint NOT NULL,
	at timestamptz NOT NULL,
	body text NOT NULL
);
CREATE TABLE public.orders (
	id bigint NOT NULL,
	user_id bigint NOT NULL,
	at timestamptz NOT NULL,
	amount_cents bigint NOT NULL,
	currency text NOT NULL,
	ship_name text NOT NULL,
	ship_address text NOT NULL,
	card_last4 text NOT NULL
);

-- Keys and indexes come after loading: a tenth of the work.
ALTER TABLE public.countries ADD PRIMARY KEY (code);
ALTER TABLE public.users ADD PRIMARY KEY (id), ADD UNIQUE (handle);
ALTER TABLE public.devices ADD PRIMARY KEY (id);
ALTER TABLE public.signins ADD PRIMARY KEY (id);
ALTER TABLE public.videos ADD PRIMARY KEY (id);
ALTER TABLE public.views ADD PRIMARY KEY (id);
ALTER TABLE public.messages ADD PRIMARY KEY (id);
ALTER TABLE public.orders ADD PRIMARY KEY (id);

CREATE INDEX users_country_idx ON public.users (country);
CREATE INDEX users_created_at_idx ON public.users (created_at);
CREATE INDEX users_email_idx ON public.users (email);
CREATE INDEX devices_user_id_idx ON public.devices (user_id);
CREATE INDEX signins_user_id_at_idx ON public.signins (user_id, at);
CREATE INDEX signins_device_id_idx ON public.signins (device_id);
CREATE INDEX signins_at_idx ON public.signins (at);
CREATE INDEX videos_user_id_uploaded_at_idx ON public.videos (user_id, uploaded_at);
CREATE INDEX views_user_id_at_idx ON public.views (user_id, at);
CREATE INDEX views_video_id_idx ON public.views (video_id);
CREATE INDEX messages_sender_id_at_idx ON public.messages (sender_id, at);
CREATE INDEX messages_recipient_id_at_idx ON public.messages (recipient_id, at);
CREATE INDEX orders_user_id_at_idx ON public.orders (user_id, at);

ALTER TABLE public.users ADD FOREIGN KEY (country) REFERENCES public.countries;
ALTER TABLE public.devices ADD FOREIGN KEY (user_id) REFERENCES public.users;
ALTER TABLE public.signins ADD FOREIGN KEY (user_id) REFERENCES public.users, ADD FOREIGN KEY (device_id) REFERENCES public.devices;
ALTER TABLE public.videos ADD FOREIGN KEY (user_id) REFERENCES public.users;
ALTER TABLE public.views ADD FOREIGN KEY (user_id) REFERENCES public.users, ADD FOREIGN KEY (video_id) REFERENCES public.videos;
ALTER TABLE public.messages ADD FOREIGN KEY (sender_id) REFERENCES public.users, ADD FOREIGN KEY (recipient_id) REFERENCES public.users;
ALTER TABLE public.orders ADD FOREIGN KEY (user_id) REFERENCES public.users;
